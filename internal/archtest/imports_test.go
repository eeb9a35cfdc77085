package archtest

import (
	"fmt"
	"strings"
)

// importFaults compares the imports of all files with the tables.
func importFaults(files []file) []string {
	var faults []string
	for _, f := range files {
		r, ok := rowOf(f.folder)
		if !ok {
			faults = append(faults, f.path+": no row of the import table covers "+f.folder)
			continue
		}
		for _, name := range f.imported() {
			var fault string
			if own, ok := strings.CutPrefix(name, modulePath+"/"); ok {
				fault = ownFault(f, r, own)
			} else if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
				fault = moduleFault(f, name)
			}
			if fault != "" {
				faults = append(faults, f.path+": "+fault)
			}
		}
	}
	return faults
}

func ownFault(f file, r row, own string) string {
	if anyAbove(own, r.may) || f.test && (own == f.folder || anyAbove(own, forTests)) {
		return ""
	}
	return fmt.Sprintf("%s may not import %s", f.folder, own)
}

func moduleFault(f file, name string) string {
	var m module
	for _, c := range modules {
		if below(name, c.path) && len(c.path) > len(m.path) {
			m = c
		}
	}
	switch {
	case m.path == "":
		return "the table has no row for the module of " + name
	case f.test, m.all && f.folder != "gateway", anyAbove(f.folder, m.may):
		return ""
	}
	return fmt.Sprintf("%s may not import %s", f.folder, name)
}

// rowOf returns the row of the nearest folder above.
func rowOf(folder string) (row, bool) {
	var found row
	for _, r := range imports {
		if below(folder, r.folder) && len(r.folder) > len(found.folder) {
			found = r
		}
	}
	return found, found.folder != ""
}
