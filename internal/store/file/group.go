package file

import "time"

const (
	// groupMax bounds how many changes share one transaction.
	groupMax = 256
	// lag is how long changes that nobody waits for wait for one that presses, to be written with it.
	lag = 20 * time.Millisecond
	// company is how long one that presses waits for others. Who signs in does not feel it, and when many do, the disk
	// is waited for a fraction as often.
	company = 5 * time.Millisecond
	// quickGroups are committed without such a wait when one has brought nobody: a lone writer is not slowed down.
	quickGroups = 32
)

// group is the changes that share one transaction, and one wait for the disk: what piled up while the disk was waited
// for the last time, and what comes while the group is open.
type group struct {
	changes []*change
	more    <-chan *change
	quick   bool        // what presses does not wait for company
	pressed int         // how many of them somebody waits for
	closing *time.Timer // when it fires nobody is waited for any more
}

func newGroup(first *change, more <-chan *change, quick bool) *group {
	g := &group{more: more, quick: quick, closing: time.NewTimer(lag)}
	g.add(first)
	return g
}

func (g *group) close() { g.closing.Stop() }

func (g *group) add(c *change) {
	g.changes = append(g.changes, c)
	if !c.pressing() {
		return
	}
	if g.pressed++; g.pressed == 1 {
		g.closing.Reset(company)
	}
}

// next adds a change that has come or comes in time, and returns it; nil when the group is complete.
func (g *group) next(stop <-chan struct{}) *change {
	if len(g.changes) == groupMax {
		return nil
	}
	select {
	case c := <-g.more:
		g.add(c)
		return c
	default:
	}
	if g.quick && g.pressed > 0 {
		return nil
	}
	select {
	case c := <-g.more:
		g.add(c)
		return c
	case <-g.closing.C:
	case <-stop:
	}
	return nil
}

// quickAfter says how many groups from here on are quick, when it was so many before this one.
func (g *group) quickAfter(before int) int {
	switch {
	case g.pressed == 0:
		return before
	case g.pressed > 1:
		return 0 // somebody came
	case g.quick:
		return before - 1
	default:
		return quickGroups
	}
}
