package importer

import "strings"

// word is one word of a command line, and the line that it begins on.
type word struct {
	text string
	line int
}

// literalDollar stands for a dollar sign that nothing follows from: no document holds this byte.
const literalDollar = 0

// shellWords splits a command as a POSIX shell does, without expanding anything. A backslash at the end of a line joins
// it with the next; ok is false when a quote is never closed. It returns how many lines the command took.
func shellWords(lines []string, first int) (list []word, took int, ok bool) {
	var (
		b      strings.Builder
		inWord bool
		start  int
		quote  byte
	)
	end := func() {
		if inWord {
			list = append(list, word{b.String(), start})
		}
		b.Reset()
		inWord = false
	}
	put := func(c byte, line int, literal bool) {
		if !inWord {
			inWord, start = true, line
		}
		if c == '$' && literal {
			c = literalDollar
		}
		b.WriteByte(c)
	}
	for took < len(lines) {
		text, number, joined := lines[took], first+took, false
		took++
		for i := 0; i < len(text); i++ {
			c := text[i]
			switch {
			case c == '\\' && quote != '\'' && i+1 == len(text):
				joined = true
			case c == '\\' && quote == 0:
				i++
				put(text[i], number, true)
			case c == '\\' && quote == '"' && strings.IndexByte("\\\"$`", text[i+1]) >= 0:
				i++
				put(text[i], number, true)
			case quote != 0 && c == quote:
				quote = 0
			case quote != 0:
				put(c, number, quote == '\'')
			case c == '"' || c == '\'':
				if !inWord {
					inWord, start = true, number
				}
				quote = c
			case c == ' ' || c == '\t':
				end()
			case c == '#' && !inWord:
				i = len(text)
			case strings.IndexByte(";&|<>", c) >= 0:
				end()
				list = append(list, word{"", number}) // the end of a command
			default:
				put(c, number, false)
			}
		}
		switch {
		case quote != 0 && !joined:
			b.WriteByte('\n')
		case quote == 0 && !joined:
			end()
			return list, took, true
		}
	}
	end()
	return list, took, quote == 0
}
