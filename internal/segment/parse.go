package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads rules from JSON and validates them. It is strict where encoding/json is not:
// unknown keys, keys given twice or in another case, data after the end, broken Unicode and any
// other type than the documented one are refused. A missing id is filled in from the position
// (group_1, rule_1_1); ids that are given come back exactly. The error is errs.Invalid with a
// JSON pointer into raw, such as /0/rules/2/value, for every fault.
func Parse(raw []byte) (Rules, error) {
	d := decoder{json: json.NewDecoder(bytes.NewReader(raw))}
	d.json.UseNumber()
	rules := d.document(raw)
	if err := d.err(); err != nil {
		return nil, err
	}
	rules.fillIDs()
	if err := rules.Validate(); err != nil {
		return nil, err
	}
	return rules, nil
}

func (r Rules) fillIDs() {
	for i := range r {
		number := strconv.Itoa(i + 1)
		if r[i].ID == "" {
			r[i].ID = "group_" + number
		}
		for j := range r[i].Rules {
			if r[i].Rules[j].ID == "" {
				r[i].Rules[j].ID = "rule_" + number + "_" + strconv.Itoa(j+1)
			}
		}
	}
}

// errStop ends decoding when there is no point in going on: broken JSON or too many faults.
var errStop = errors.New("stop decoding")

// decoder walks the token stream, because only there are duplicate and misspelt keys visible.
// Its methods add faults and return an error only to stop.
type decoder struct {
	faults
	json *json.Decoder
}

func (d *decoder) document(raw []byte) Rules {
	switch {
	case len(raw) > MaxBytes:
		d.add("", "must have at most %d bytes", MaxBytes)
		return nil
	case !utf8.Valid(raw) || hasLoneSurrogate(raw):
		d.add("", "must be valid UTF-8, with surrogate escapes in pairs")
		return nil
	}
	rules, err := d.groups()
	if err != nil {
		return nil
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		d.add("", "must end after the list of groups")
	}
	return rules
}

func (d *decoder) groups() (Rules, error) {
	var rules Rules
	err := d.array("", "groups", MaxGroups, func(at string) error {
		group, err := d.group(at)
		rules = append(rules, group)
		return err
	})
	return rules, err
}

func (d *decoder) group(at string) (Group, error) {
	var group Group
	err := d.object(at, []string{"id", "operator", "rules"}, func(key, at string) error {
		switch key {
		case "id":
			return d.text(at, &group.ID)
		case "operator":
			return d.text(at, (*string)(&group.Operator))
		default:
			return d.array(at, "rules", MaxGroupRules, func(at string) error {
				rule, err := d.rule(at)
				group.Rules = append(group.Rules, rule)
				return err
			})
		}
	})
	return group, err
}

func (d *decoder) rule(at string) (Rule, error) {
	var rule Rule
	err := d.object(at, []string{"id", "field", "operator", "value"}, func(key, at string) error {
		switch key {
		case "id":
			return d.text(at, &rule.ID)
		case "field":
			return d.text(at, &rule.Field)
		case "operator":
			return d.text(at, (*string)(&rule.Operator))
		default:
			return d.value(at, &rule.Value)
		}
	})
	return rule, err
}

func (d *decoder) value(at string, into *Value) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case string:
		*into = TextValue(token)
		return nil
	case json.Number:
		*into = NumberValue(token.String())
		return nil
	default:
		return d.refuse(at, "must be a string or a number", token)
	}
}

func (d *decoder) text(at string, into *string) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	text, ok := token.(string)
	if !ok {
		return d.refuse(at, "must be a string", token)
	}
	*into = text
	return nil
}

func (d *decoder) array(at, of string, limit int, element func(at string) error) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return d.refuse(at, "must be an array of "+of, token)
	}
	for i := 0; d.json.More(); i++ {
		if i == limit {
			d.add(at, "must have at most %d %s", limit, of)
			return errStop
		}
		if err := element(at + "/" + strconv.Itoa(i)); err != nil {
			return err
		}
	}
	_, err = d.token()
	return err
}

// object reads an object that has exactly the given keys; only id may be missing.
func (d *decoder) object(at string, keys []string, member func(key, at string) error) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return d.refuse(at, "must be an object with "+strings.Join(keys, ", "), token)
	}
	seen := map[string]bool{}
	for d.json.More() {
		key, err := d.key(at, keys, seen)
		if err == nil && key == "" {
			err = d.skip()
		} else if err == nil {
			err = member(key, at+"/"+key)
		}
		if err != nil {
			return err
		}
	}
	for _, key := range keys {
		if !seen[key] && key != "id" {
			d.add(at+"/"+key, "is missing")
		}
	}
	_, err = d.token()
	return err
}

// key gives the next key, or "" after adding a fault when its value is to be skipped.
func (d *decoder) key(at string, keys []string, seen map[string]bool) (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	key, _ := token.(string) // The decoder lets nothing but a string stand here.
	if !slices.Contains(keys, key) {
		d.add(at+"/"+escapePointer(key), "is not known; allowed are %s", strings.Join(keys, ", "))
		return "", d.stopIfFull()
	}
	if seen[key] {
		d.add(at+"/"+key, "is given twice")
		return "", d.stopIfFull()
	}
	seen[key] = true
	return key, nil
}

// refuse adds a fault about a value whose first token was read and skips the rest of it.
func (d *decoder) refuse(at, message string, token json.Token) error {
	d.add(at, "%s", message)
	if err := d.stopIfFull(); err != nil {
		return err
	}
	if token == json.Delim('[') || token == json.Delim('{') {
		return d.skipOpen(1)
	}
	return nil
}

func (d *decoder) stopIfFull() error {
	if d.full() {
		return errStop
	}
	return nil
}

func (d *decoder) skip() error { return d.skipOpen(0) }

// skipOpen skips to the end of the next value, or of depth values that are already open. It
// counts instead of recursing, so depth costs no stack.
func (d *decoder) skipOpen(depth int) error {
	for {
		token, err := d.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func (d *decoder) token() (json.Token, error) {
	token, err := d.json.Token()
	if err != nil {
		d.add("", "must be JSON, and is broken near byte %d", d.json.InputOffset())
		return nil, errStop
	}
	return token, nil
}
