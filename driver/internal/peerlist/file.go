package peerlist

import "bytes"

// File is a file that is read again and again. It is for one goroutine at a time.
//
// A program that does not replace a file by renaming another one empties it, and then writes it, in
// parts. So what is new counts when two looks in a row have found it: half a list is none.
type File struct {
	path string
	seen found // by the last look
	used found // what list and err were made of
	list List
	err  error
}

// found is what a look finds; the zero value is nothing, which is not the same as an empty file.
type found struct {
	looked  bool
	content []byte
	err     error // why the file could not be read
}

func (f found) same(o found) bool {
	return f.looked == o.looked && f.trouble() == o.trouble() && bytes.Equal(f.content, o.content)
}

func (f found) trouble() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

// Follow is a file that has not been looked at.
func Follow(path string) *File { return &File{path: path} }

// Path is where the file lies.
func (f *File) Path() string { return f.path }

// Look reads the file. settled reports whether what it found counts: the last look found the same, or
// it is to count at once. Then list is the one that the file has now, or err says why it has none.
func (f *File) Look(atOnce bool) (list List, settled bool, err error) {
	content, err := read(f.path)
	now, before := found{looked: true, content: content, err: err}, f.seen
	f.seen = now
	if !atOnce && !now.same(before) {
		return List{}, false, nil
	}
	if !now.same(f.used) {
		f.used, f.err = now, now.err
		if now.err == nil {
			f.list, f.err = parse(now.content)
		}
	}
	return f.list, true, f.err
}
