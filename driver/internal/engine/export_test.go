package engine

// Migration, StoredFormat and Migrate lead from one format of the datastore to the next.
type Migration = migration

var (
	StoredFormat = storedFormat
	Migrate      = migrate
)
