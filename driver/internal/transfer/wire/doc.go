// Package wire is how members ask each other for blobs.
package wire
