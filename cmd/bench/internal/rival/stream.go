package rival

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// sendFiles answers lines with a file's path by its size, 8 bytes, and its bytes.
func sendFiles(rw io.ReadWriter) error {
	lines := bufio.NewReader(rw)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if err := sendFile(rw, strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
}

func sendFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := binary.Write(w, binary.BigEndian, info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// receiveFile asks for one file and takes it in.
func receiveFile(rw io.ReadWriter, path string, to io.Writer) (int64, error) {
	if _, err := fmt.Fprintln(rw, path); err != nil {
		return 0, err
	}
	var size int64
	if err := binary.Read(rw, binary.BigEndian, &size); err != nil {
		return 0, errors.Join(errors.New("the server has hung up"), err)
	}
	return io.CopyN(to, rw, size)
}
