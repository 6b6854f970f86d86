package config

// FieldOf is the name of the field that holds the variable.
func FieldOf(v Variable) string { return v.field }
