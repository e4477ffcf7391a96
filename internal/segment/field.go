package segment

// Type is what a field holds and so which operators and values suit it.
type Type string

// The two types.
const (
	TypeNumber Type = "number"
	TypeText   Type = "string"
)

// Field describes one field to people and to programs: the console's builder, the OpenAPI
// document and the MCP tools are made from it.
type Field struct {
	Name        string     `json:"name"`
	Label       string     `json:"label"`
	Type        Type       `json:"type"`
	Operators   []Operator `json:"operators"`
	Description string     `json:"description"`
	// Values are the only values that = and != take; empty means any.
	Values []string `json:"values,omitempty"`
}

// The fields a rule may name.
const (
	fieldTotalSpend  = "total_spend"
	fieldTotalVisits = "total_visits"
	fieldTotalOrders = "total_orders"
	fieldDays        = "days_since_last_order"
	fieldStatus      = "status"
	fieldName        = "name"
	fieldEmail       = "email"
)

// Fields lists the fields in the order in which a form shows them. The caller owns the result.
func Fields() []Field {
	return []Field{
		numberField(fieldTotalSpend, "Total spend", "Rupees spent in completed orders, such as 5000 or 1234.50."),
		numberField(fieldTotalVisits, "Total visits", "How many visits the customer has made."),
		numberField(fieldTotalOrders, "Total orders", "How many completed orders the customer has."),
		numberField(fieldDays, "Days since last order",
			"Whole days (24 hours) since the last order, counted when the audience is resolved. "+
				"Customers who never ordered match no rule on this field."),
		{
			Name: fieldStatus, Label: "Status", Type: TypeText, Operators: textOperators(),
			Description: "Status of the customer.", Values: statuses(),
		},
		textField(fieldName, "Name", "Full name of the customer."),
		textField(fieldEmail, "Email", "E-mail address of the customer, stored in lower case."),
	}
}

func numberField(name, label, description string) Field {
	return Field{
		Name: name, Label: label, Type: TypeNumber,
		Operators: numberOperators(), Description: description,
	}
}

func textField(name, label, description string) Field {
	return Field{
		Name: name, Label: label, Type: TypeText,
		Operators: textOperators(), Description: description,
	}
}

func numberOperators() []Operator {
	return []Operator{OpGreater, OpGreaterEqual, OpLess, OpLessEqual, OpEqual, OpNotEqual}
}

func textOperators() []Operator {
	return []Operator{OpEqual, OpNotEqual, OpContains, OpNotContains, OpStartsWith, OpEndsWith}
}

// statuses are those of the reference frontend's select box; PENDING is offered there although
// nothing can be ingested with it.
func statuses() []string { return []string{"ACTIVE", "INACTIVE", "PENDING"} }

// typeOf is the hot path of Fields: the type alone, without building the catalogue.
func typeOf(field string) (Type, bool) {
	switch field {
	case fieldTotalSpend, fieldTotalVisits, fieldTotalOrders, fieldDays:
		return TypeNumber, true
	case fieldStatus, fieldName, fieldEmail:
		return TypeText, true
	default:
		return "", false
	}
}

func operatorsOf(fieldType Type) []Operator {
	if fieldType == TypeNumber {
		return numberOperators()
	}
	return textOperators()
}
