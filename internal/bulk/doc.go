// Package bulk takes customers in by the file and gives them out by the file.
//
// It owns what a file of customers is, the progress and the errors of an import, and who finishes one.
// What a customer may be is package customer's business: a line of a file passes the same code as a
// post. How rows become customers is the store's.
//
// An import goes in two steps that overlap. The request that uploads the file reads it once, in
// constant memory, checks each row, and stages batches of them: a staged batch is safe. An Applier, in
// this process or in any other, makes customers of one staged batch after the other, each in a
// transaction of its own. So an upload that is over is finished whoever dies; one that is cut off is
// FAILED, and says how many rows it stored.
package bulk
