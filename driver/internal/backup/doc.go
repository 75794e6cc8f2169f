// Package backup reads and writes a backup, as a directory or as a tar of the same files:
//
//	backup.json    the Manifest. It is written last: a directory without one is no whole backup
//	map-<id>       the Records: what the registry had in its datastore at one moment
//	blobs/<name>   the bytes of the blobs that it had on its disk then
//
//	d, err := backup.Create("/srv/backup", head.Peer)
//	sum, err := d.PutRecords(head, func(put func(Record) error) error { … })
//	way, err := d.PutBlob(name, file, size)
//	removed, err := d.Commit(manifest, keep)
//
//	d, err := backup.Open("/srv/backup")
//	err = d.Records(func(Record) error { … })
//	f, err := d.Blob(name)
//
//	t := backup.NewTarWriter(os.Stdout, time.Now()) // with the same methods
//	t, err := backup.OpenTar(os.Stdin)
//	err = t.Records(func(Record) error { … })
//	err = t.Blobs(func(name string, size int64, content io.Reader) error { … })
//
// What is read is not trusted: names, sizes and numbers are bounded before anything is made of
// them, and the records have a sum at their end. The blobs have none: their names say what they
// are, to whoever knows that.
//
// Limits: what the records mean is the engine's to know; one process writes a directory at a time.
package backup
