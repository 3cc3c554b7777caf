package ir

// For names_test.go, which compares these with protogen, and for reserved_test.go.
var (
	GoIdent         = goIdent
	FieldNames      = fieldNames
	Getter          = getter
	InOneof         = inOneof
	WrapperName     = wrapperName
	ReservedImports = reservedImports
)
