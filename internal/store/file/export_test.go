package file

// WithShrinkFrom returns opt with another size from which a file is shrunk.
func WithShrinkFrom(opt Options, size int64) Options {
	opt.shrinkFrom = size
	return opt
}
