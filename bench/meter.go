package bench

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a group of processes has used.
type Usage struct {
	User, System time.Duration // CPU since their starts
	RSS          int64         // bytes resident now
}

// clockTick is USER_HZ, in which /proc counts CPU time: 100 on every architecture that Go runs on.
const clockTick = time.Second / 100

// pageSize is the page in which sockstat counts memory.
func pageSize() int64 { return int64(os.Getpagesize()) }

// meter reads the use of processes with their descendants from /proc, which is Linux's.
type meter struct {
	proc   fs.FS
	roots  []int
	except []int // with their descendants
}

func newMeter(pids, except []int) (*meter, error) {
	m := &meter{proc: os.DirFS("/proc"), roots: pids, except: except}
	for _, pid := range pids {
		if _, err := fs.Stat(m.proc, strconv.Itoa(pid)+"/stat"); err != nil {
			return nil, fmt.Errorf("--pid %d: there is no such process here (or no /proc)", pid)
		}
	}
	return m, nil
}

// read sums up the processes that are there.
func (m *meter) read() (Usage, error) {
	var total Usage
	stats, err := m.tree()
	if err != nil {
		return total, err
	}
	for pid, s := range stats {
		total.User += s.user
		total.System += s.system
		status, err := fs.ReadFile(m.proc, strconv.Itoa(pid)+"/status")
		if err != nil {
			continue // it has ended just now
		}
		total.RSS += resident(string(status))
	}
	if len(stats) == 0 {
		return total, fmt.Errorf("the server's process %v has ended", m.roots)
	}
	return total, nil
}

// processStat is what /proc/PID/stat says.
type processStat struct {
	parent       int
	user, system time.Duration
}

// tree reads the roots and their descendants.
func (m *meter) tree() (map[int]processStat, error) {
	entries, err := fs.ReadDir(m.proc, ".")
	if err != nil {
		return nil, err
	}
	all := map[int]processStat{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := fs.ReadFile(m.proc, entry.Name()+"/stat")
		if err != nil {
			continue // it has ended
		}
		if s, ok := parseStat(string(text)); ok {
			all[pid] = s
		}
	}
	for _, pid := range m.except {
		delete(all, pid)
	}
	found := map[int]processStat{}
	for _, pid := range m.roots {
		if s, ok := all[pid]; ok {
			found[pid] = s
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, s := range all {
			if _, known := found[pid]; known {
				continue
			}
			if _, child := found[s.parent]; child {
				found[pid], grown = s, true
			}
		}
	}
	return found, nil
}

// parseStat reads "PID (NAME) STATE PPID …", proc(5). A name may hold spaces and brackets.
func parseStat(text string) (processStat, bool) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return processStat{}, false
	}
	const ppid, utime, stime = 1, 11, 12 // counted from the state
	fields := strings.Fields(text[end+1:])
	if len(fields) <= stime {
		return processStat{}, false
	}
	parent, err := strconv.Atoi(fields[ppid])
	user, err1 := strconv.ParseInt(fields[utime], 10, 64)
	system, err2 := strconv.ParseInt(fields[stime], 10, 64)
	if err != nil || err1 != nil || err2 != nil {
		return processStat{}, false
	}
	return processStat{parent: parent, user: time.Duration(user) * clockTick, system: time.Duration(system) * clockTick}, true
}

// resident reads VmRSS of /proc/PID/status in bytes.
func resident(status string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// kernelTCP reads how much memory the machine's TCP sockets hold, in bytes: those of the generator too.
func kernelTCP(proc fs.FS) int64 {
	text, err := fs.ReadFile(proc, "net/sockstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == "mem" {
				n, _ := strconv.ParseInt(fields[i+1], 10, 64)
				return n * pageSize()
			}
		}
	}
	return 0
}
