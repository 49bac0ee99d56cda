package catalog

// Digests gives the SHA-256 of plugins' files for people to compare, reading each file once. The zero value is ready
// for use, also concurrently.
type Digests struct{ files digests }

// Of returns the digest of the plugin's file in hex. It is empty for a plugin that is refused for other reasons than
// the lock file, since nobody knows what opening such a file would do, and for one that can't be read.
func (d *Digests) Of(p Plugin) string {
	if p.Refused != "" && !p.Unlocked || p.attached != nil {
		return ""
	}
	sum, _, err := d.files.of(p.Path)
	if err != nil {
		return ""
	}
	return sum
}

// LastLines is the end of what the process that serves, or served last, wrote to its standard error: on one line, with
// secrets masked. It is empty when there is nothing.
func (p *Provider) LastLines() string {
	proc := p.process.Load()
	if proc == nil || proc.log == nil { // an attached one writes to its own terminal
		return ""
	}
	return proc.log.tail()
}
