package ir

// For names_test.go, which compares these with protogen.
var (
	GoIdent     = goIdent
	FieldNames  = fieldNames
	InOneof     = inOneof
	WrapperName = wrapperName
)
