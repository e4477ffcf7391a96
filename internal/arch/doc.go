// Package arch keeps the layout of the repository true.
//
// It owns the table of who may import whom ([House]), the check of that table against what `go list`
// says about the tree, and a few rules that can be read off single files (length, init functions,
// sleeping tests, reading the environment). It is code for tests: nothing else imports it.
//
// It deliberately does not look inside functions; that is the linter's work.
package arch
