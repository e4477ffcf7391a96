package message

import (
	"fmt"
	"strconv"
	"strings"
)

// textOf gives a value as {{ }} would print it.
func textOf(value any) (string, error) {
	text := ""
	switch value := value.(type) {
	case nil:
	case string:
		text = value
	case int:
		text = strconv.Itoa(value)
	case float64:
		text = strconv.FormatFloat(value, 'f', -1, 64)
	case bool:
		text = strconv.FormatBool(value)
	case rupees:
		text = value.String()
	case []any:
		texts, err := textsOf(value)
		if err != nil {
			return "", err
		}
		text = strings.Join(texts, "")
	default:
		return "", fmt.Errorf("cannot take a %T as text", value)
	}
	if len(text) > maxValueBytes {
		return "", errValueTooLong
	}
	return text, nil
}

func textsOf(values []any) ([]string, error) {
	texts := make([]string, len(values))
	for i, value := range values {
		text, err := textOf(value)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}
