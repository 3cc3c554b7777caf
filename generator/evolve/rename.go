package evolve

import (
	"fmt"
	"go/token"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/naming"
)

// Rename is what the user says of a method or handler: it is another one now, of the same service or of another. Without
// methods it is said of a whole service.
type Rename struct{ From, To Decl }

// String is how a rename is written on the command line.
func (r Rename) String() string {
	switch {
	case r.ofService():
		return r.From.Type + "=" + r.To.Type
	case r.From.Type == r.To.Type:
		return r.From.String() + "=" + r.To.Method
	}
	return r.From.String() + "=" + r.To.String()
}

// ParseRename reads Service.Old=New, Service.Old=Other.New or Service=Other.
func ParseRename(s string) (Rename, error) {
	from, to, ok := strings.Cut(s, "=")
	if ok && token.IsIdentifier(from) && token.IsIdentifier(to) && from != to {
		return Rename{From: Decl{Type: from}, To: Decl{Type: to}}, nil
	}
	typ, method, dotted := strings.Cut(from, ".")
	r := Rename{From: Decl{typ, method}, To: Decl{typ, to}}
	if typ, method, moved := strings.Cut(to, "."); moved {
		r.To = Decl{typ, method}
	}
	for _, name := range []string{r.From.Type, r.From.Method, r.To.Type, r.To.Method} {
		ok = ok && token.IsIdentifier(name)
	}
	if !ok || !dotted || r.From == r.To {
		return Rename{}, fmt.Errorf("%q is no rename", s)
	}
	return r, nil
}

// stays reports whether the service that the user calls typ is the one that was called so.
func stays(old, now contract.Contract, typ string) bool {
	return slices.ContainsFunc(now.Services, func(s contract.Service) bool {
		return s.Type == typ && slices.ContainsFunc(old.Services, func(o contract.Service) bool { return o.Type == typ && o.Proto == s.Proto })
	})
}

// newServices is a hint that says what the services are called that are new.
func newServices(old, now contract.Contract) string {
	var list []string
	for _, s := range now.Services {
		if !serves(old, s.Type) {
			list = append(list, s.Proto+" is "+s.Type)
		}
	}
	if list == nil {
		return ""
	}
	return "in Go " + strings.Join(list, ", ")
}

// taken refuses a rename to what is declared at pos.
func taken(r Rename, what string, pos diag.Pos) error {
	return diag.List{{
		Pos: pos, Message: fmt.Sprintf("--rename %s: %s is declared already", r, what),
		Hint: "delete the one you do not want, then run it again",
	}}
}

// Left are the types and handlers that have other names by renames: what is new and called alike is not the user's code.
func Left(renames []Rename) map[string]bool {
	left := map[string]bool{}
	for _, r := range renames {
		switch name := r.From.Type; {
		case slices.ContainsFunc(renames, func(other Rename) bool { return other.To == r.From }):
		case r.ofService():
			left[name] = true
		case name == contract.Consumers:
			left[r.From.Method] = true
		}
	}
	return left
}

// Moves reports whether name may be the file or the test of a method that has another name now, and so goes with it.
func (p Plan) Moves(name string) bool {
	return slices.ContainsFunc(p.renames, func(r Rename) bool {
		method := naming.Snake(r.From.Method)
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test")
		return !r.ofService() && path.Dir(name) == p.Folder && (stem == method || stem == naming.Snake(r.From.Type)+"_"+method)
	})
}

// Leaves reports whether the user's own method d becomes another one.
func (p Plan) Leaves(d Decl) bool {
	return slices.ContainsFunc(p.renames, func(r Rename) bool { return r.From == d })
}

// checkRenames refuses what cannot be meant: a rename of a method that is still there, or to one that is not. One that
// is still there may be another by now: where a second rename says so, as when two have changed their names.
func (p *Plan) checkRenames(old *contract.Contract, now contract.Contract) error {
	var errs diag.List
	from, to := map[Decl]bool{}, map[Decl]bool{}
	for _, r := range p.renames {
		switch {
		case (r.From.Type == contract.Consumers) != (r.To.Type == contract.Consumers):
			errs.Add(diag.Pos{}, "", "--rename %s: %s has the handlers of events, and they are no methods of a service", r, contract.Consumers)
		case r.ofService() && len(p.methods(r.From.Type)) > 0:
			errs.Add(diag.Pos{}, another(r.From), "--rename %s: %s is in the proto still", r, r.From.Type)
		case r.ofService() && len(p.methods(r.To.Type)) == 0:
			errs.Add(diag.Pos{}, "rename it in the proto first", "--rename %s: %s is not in the proto, or has no methods", r, r.To.Type)
		case r.ofService() && old != nil && serves(*old, r.From.Type) && stays(*old, now, r.To.Type):
			errs.Add(diag.Pos{}, newServices(*old, now), "--rename %s: %s is no new name, it was in the proto before", r, r.To.Type)
		case r.ofService():
		case p.declared[r.From] && !p.Awaited(r.From):
			errs.Add(diag.Pos{}, another(r.From), "--rename %s: %s is in the %s still", r, r.From, r.From.source())
		case !p.declared[r.To]:
			errs.Add(diag.Pos{}, "rename it in the "+r.To.source()+" first", "--rename %s: %s is not in the %s", r, r.To, r.To.source())
		case from[r.From] || to[r.To]:
			errs.Add(diag.Pos{}, "", "--rename %s: one of the two is renamed twice", r)
		}
		from[r.From], to[r.To] = true, true
	}
	return errs.Err()
}

// another says what to do where d is not what it was, but something new under its name.
func another(d Decl) string {
	return fmt.Sprintf("if that is a new one of its name, leave it out of the %s in this run, and add it in the next", d.source())
}
