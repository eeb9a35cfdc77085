// Package archtest holds the rules of the house as a test: which package may import which, who may use which module, and a few
// habits that a compiler does not check. It has no code of its own.
//
// table_test.go is the part to read: the import table of DESIGN §2 and the exceptions, each with its reason. Whoever
// needs an import that the table refuses changes the table and says why in docs/decisions; whoever must break a habit
// adds an exception, which fails as stale once it is needed no more.
package archtest
