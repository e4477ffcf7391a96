// Package segment is the language in which marketers describe an audience: its JSON shape, its
// meaning, and the one compiler to SQL that preview, save and launch all use.
//
// The shape is the reference frontend's: an array of groups {id, operator, rules}, each rule
// {id, field, operator, value}. Groups are joined by OR, the rules of a group by its operator.
//
// The meaning, which Compile (PostgreSQL) and Eval (Go) share exactly:
//
//   - Nothing says "everyone": no groups, an empty group and an empty search text are refused.
//   - An unknown (NULL) field matches no rule, not even != and not_contains.
//   - = and != compare text byte by byte. contains, not_contains, starts_with and ends_with
//     ignore case, by the table in fold.go and never by the database's locale, so that the same
//     rule finds the same people on every server. % _ and \ are ordinary characters.
//   - Numbers are exact decimals; a fraction may be compared with a whole-number field.
//   - days_since_last_order counts whole periods of 24 hours between the last order and the given
//     instant, rounded down; an order in the future counts as negative days; someone who never
//     ordered has no such number and so matches nothing.
//
// The package does no I/O and knows no database driver: db/business runs what Compile returns.
// segmenttest holds generators and the check that PostgreSQL and Eval agree.
package segment
