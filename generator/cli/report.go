package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/drift"
	"github.com/svcgen/svcgen/generator/reconcile"
)

const nothingToDo = "nothing to do"

// report is what new and regen say they did. Its JSON keys are a promise to scripts.
type report struct {
	Status    string             `json:"status"`
	Dir       string             `json:"dir"`
	Actions   []reconcile.Action `json:"actions"`
	Kept      []reconcile.Kept   `json:"kept"`
	Unchanged int                `json:"unchanged"`
	Notes     []reportedNote     `json:"notes,omitempty"`
	Breaking  []reportedBreak    `json:"breaking,omitempty"`

	Diff     bool `json:"-"`
	changes  *reconcile.Changes
	contract []drift.Change
}

// reportedNote is what regen has to say about a place in the user's code.
type reportedNote struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// reportedBreak is a change of the contract that breaks somebody.
type reportedBreak struct {
	Class   string `json:"class"`
	Rule    string `json:"rule"`
	Name    string `json:"name"`
	Event   string `json:"event,omitempty"`
	Message string `json:"message"`
}

func (a *app) report(r report, asJSON bool) error {
	if asJSON {
		r.Actions, r.Kept, r.Unchanged = r.changes.Actions, r.changes.Kept, r.changes.Unchanged
		if r.Actions == nil {
			r.Actions = []reconcile.Action{}
		}
		if r.Kept == nil {
			r.Kept = []reconcile.Kept{}
		}
		for _, n := range r.changes.Notes {
			r.Notes = append(r.Notes, reportedNote{n.Pos.File, n.Pos.Line, n.Pos.Col, n.Message, n.Hint})
		}
		for _, c := range r.contract {
			r.Breaking = append(r.Breaking, reportedBreak{c.Class.String(), c.Rule, c.Name, c.Event, c.Message})
		}
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	if r.Status == nothingToDo {
		a.printf("%s\n", nothingToDo)
		return nil
	}
	if r.Diff {
		for _, action := range r.changes.Actions {
			a.printf("%s", diff(action))
		}
		return nil
	}
	for _, action := range r.changes.Actions {
		note := ""
		if action.Note != "" && action.Op != reconcile.Conflict {
			note = "  (" + action.Note + ")"
		}
		a.printf("  %-8s  %s%s\n", action.Op, diag.Escape(action.Path), note)
	}
	for _, kept := range r.changes.Kept {
		if kept.News {
			a.printf("  %-8s  %s  (%s)\n", "leave", diag.Escape(kept.Path), kept.Why)
		}
	}
	a.printf("%s\n", summary(r))
	return nil
}

// summary is the last line, such as would change: 1 created, 2 updated.
func summary(r report) string {
	var parts []string
	for _, op := range []struct {
		op   reconcile.Op
		word string
	}{
		{reconcile.Create, "created"}, {reconcile.Update, "updated"}, {reconcile.Merge, "merged"},
		{reconcile.Edit, "edited"}, {reconcile.Rename, "renamed"},
		{reconcile.Remove, "removed"}, {reconcile.Conflict, "to merge by hand"}, {reconcile.Edited, "edited by hand"},
	} {
		if n := r.changes.Count(op.op); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, op.word))
		}
	}
	if len(parts) == 0 {
		parts = []string{"svcgen.lock updated"}
	}
	line := strings.Join(parts, ", ")
	if strings.HasPrefix(r.Status, "would") {
		line = r.Status + ": " + line
	}
	return line
}

// warn prints warnings, which do not stop the run.
func (a *app) warn(list diag.List) error {
	if len(list) == 0 {
		return nil
	}
	return a.printer().Print(a.stderr, list)
}
