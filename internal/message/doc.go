// Package message turns a marketer's template into one customer's text. Preview and send use the
// same Template, so what was shown is what is sent.
//
// Templates are Liquid ({{ name }}, {% if total_orders > 3 %}), plus {name} with single braces for
// exactly the fields of Fields. The package decides which part of Liquid a template may use:
//
//   - Everything is checked when a template is saved, on every path and not only on the one a
//     sample customer takes: unknown fields, variables, filters and tags, wrong case, unclosed
//     braces, the bounds of loops. Parse then renders a few extreme customers.
//   - A render is bounded (see the limits in template.go): loops and steps by the check, values
//     and output while rendering. No tag or filter reads files, the clock, or anything but the
//     recipient.
//   - Data is never parsed: a customer called {{email}} is greeted as {{email}}.
//   - A missing value has a fallback, which also {% if %} sees: name is Customer, email is empty,
//     numbers are 0. The filter default, directly after a field, replaces the fallback.
//   - A variable that was assigned on a path not taken is nil and prints nothing, as in Liquid.
//
// total_spend prints as rupees (₹12,34,567.89) and compares and computes as a number; see rupees.
//
// The package does no I/O. It escapes nothing: messages are plain text.
package message
