// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/kbuild/sign"
	"github.com/modhash/modhash/modsig"
)

// SigningSchema names the JSON form of what the verbs that sign did, and its version.
const SigningSchema = "modhash.sign/1"

// Signing is what one of the verbs that sign did.
type Signing struct {
	Verb        string       // "sign", "unsign", "attach", "detach", "request"
	Hash        string       // "sha512"; "" where there was none
	Key         *modsig.Key  // nil: none
	Report      *sign.Report // nil if no module was to be changed, or none was begun with
	Written     int          // signatures, or modules in a request, that were written
	Obstacles   []sign.Obstacle
	Failed      bool // not all was done
	Interrupted bool // by the user
}

func (s *Signing) count(o ...rewrite.Outcome) (n int) {
	for _, x := range o {
		if s.Report != nil {
			n += s.Report.Count[x]
		}
	}
	return n
}

// SigningText writes what was done, where all went well, on one line.
func SigningText(w io.Writer, s *Signing) error {
	done, were := s.count(rewrite.Added, rewrite.Replaced), s.count(rewrite.Unchanged)
	var text, left string
	switch s.Verb {
	case "sign":
		text, left = fmt.Sprintf("%s signed, %d were", plural(done, "module"), were), "left as they are because a hashset covers them"
	case "attach":
		text, left = fmt.Sprintf("%s attached, %d were", plural(done, "signature"), were), "modules left as they are because a hashset covers them"
	case "unsign":
		text = fmt.Sprintf("%s taken off, %s had none", plural(s.count(rewrite.Removed), "signature"), plural(were, "module"))
		left = "left as they are because they carry a proof"
	case "request":
		text = plural(s.Written, "module") + " to be signed"
	default:
		text = plural(s.Written, "signature") + " written"
	}
	if n := s.count(rewrite.Recompressed); n > 0 {
		text += fmt.Sprintf(", %d recompressed so that kernels can read them", n)
	}
	if n := s.count(rewrite.Untried); n > 0 {
		text += fmt.Sprintf(", %d %s", n, left)
	}
	switch {
	case s.Verb == "sign":
		text += fmt.Sprintf("; %s, %s", s.Hash, Safe(s.Key.Subject))
	case s.Verb == "attach":
		text += "; " + Safe(s.Key.Subject)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

type signingDoc struct {
	Schema    string        `json:"schema"`
	Verb      string        `json:"verb"`
	Outcome   string        `json:"outcome"` // "done", "refused", "failed", "interrupted"
	Hash      string        `json:"hash,omitempty"`
	Key       *keyDoc       `json:"key,omitempty"`
	Written   int           `json:"written"` // files
	Modules   []changedDoc  `json:"modules"`
	Obstacles []obstacleDoc `json:"obstacles"`
}

type changedDoc struct {
	Name    text   `json:"name"`
	Outcome string `json:"outcome"` // "added", "replaced", "removed", "recompressed", "unchanged", "untried", "failed"
	Error   text   `json:"error,omitempty"`
}

type obstacleDoc struct {
	Name   text      `json:"name"`
	Kind   sign.Kind `json:"kind"`
	Detail text      `json:"detail,omitempty"`
	Hint   string    `json:"hint,omitempty"`
}

// SigningJSON writes what was done, or what kept it from being done, as JSON.
func SigningJSON(w io.Writer, s *Signing) error {
	doc := signingDoc{Schema: SigningSchema, Verb: s.Verb, Outcome: "done", Hash: s.Hash, Written: s.Written,
		Modules: []changedDoc{}, Obstacles: make([]obstacleDoc, len(s.Obstacles))}
	if s.Key != nil {
		k := newKeyDoc(s.Key)
		doc.Key = &k
	}
	for i, o := range s.Obstacles {
		doc.Obstacles[i] = obstacleDoc{text(o.Name), o.Kind, text(o.Detail), o.Kind.Hint()}
	}
	if s.Report != nil {
		doc.Written = s.count(rewrite.Added, rewrite.Replaced, rewrite.Removed, rewrite.Recompressed)
		for _, r := range s.Report.Results {
			d := changedDoc{Name: text(r.Name), Outcome: r.Outcome.String()}
			if r.Err != nil {
				d.Error = text(r.Err.Error())
			}
			doc.Modules = append(doc.Modules, d)
		}
	}
	switch {
	case len(s.Obstacles) > 0:
		doc.Outcome, doc.Written = "refused", 0
	case s.Interrupted:
		doc.Outcome = "interrupted"
	case s.Failed:
		doc.Outcome = "failed"
	}
	return writeJSON(w, doc)
}
