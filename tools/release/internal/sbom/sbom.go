// Package sbom writes what a binary is made of, as SPDX 2.3 in JSON: its modules, with the versions
// that the Go linker has written into it (debug/buildinfo), and Go's own library.
//
// Limits: which license a module has is not looked up: NOASSERTION.
package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// Release is what the binary is of.
type Release struct {
	Name, Version, Platform, Commit string
	Date                            time.Time // in UTC
}

const (
	home    = "https://github.com/distribution-ipfs/distribution-ipfs"
	unknown = "NOASSERTION"
	license = "Apache-2.0"
	main    = common.ElementID("registry")
)

// Write writes the list of a binary's parts into a file.
func Write(to, binary string, r Release) (err error) {
	doc, err := read(binary, r)
	if err != nil {
		return fmt.Errorf("sbom of %s: %w", binary, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return json.Write(doc, out, json.Indent("  "), json.EscapeHTML(false))
}

// read makes the document of a binary.
func read(binary string, r Release) (*spdx.Document, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum, err := sha256Of(binary)
	if err != nil {
		return nil, err
	}
	return document(info, r, sum), nil
}

// document lists the binary, with its SHA-256, and all that is linked into it.
func document(info *debug.BuildInfo, r Release, sum string) *spdx.Document {
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      fmt.Sprintf("%s-%s-%s", r.Name, r.Version, r.Platform),
		DocumentNamespace: fmt.Sprintf("%s/spdx/%s/%s/%s", home, r.Version, r.Platform, sum),
		CreationInfo:      &spdx.CreationInfo{Creators: []common.Creator{{CreatorType: "Tool", Creator: r.Name + "-release"}}, Created: r.Date.Format(time.RFC3339)},
		Packages:          []*spdx.Package{ours(info, r, sum)},
		Relationships:     []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, main)},
	}
	library := &debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}
	for i, m := range append([]*debug.Module{library}, info.Deps...) {
		p := part(m)
		p.PackageSPDXIdentifier = common.ElementID(fmt.Sprintf("module-%d", i))
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, relation(main, common.TypeRelationshipDependsOn, p.PackageSPDXIdentifier))
	}
	return doc
}

// ours is the binary itself.
func ours(info *debug.BuildInfo, r Release, sum string) *spdx.Package {
	return &spdx.Package{
		PackageName: r.Name, PackageSPDXIdentifier: main, PackageVersion: r.Version, PackageFileName: "registry",
		PackageDownloadLocation: "git+" + home + "@" + r.Commit, PackageHomePage: home,
		PackageChecksums:        []common.Checksum{{Algorithm: common.SHA256, Value: sum}},
		PackageLicenseConcluded: license, PackageLicenseDeclared: license, PackageCopyrightText: unknown,
		PackageComment:            "built by " + info.GoVersion + " for " + r.Platform,
		PackageExternalReferences: []*spdx.PackageExternalReference{purl(info.Main.Path, r.Version)},
		PrimaryPackagePurpose:     "APPLICATION",
	}
}

// part is a module that is linked into it: the one that replaces it, where one does.
func part(m *debug.Module) *spdx.Package {
	if m.Replace != nil {
		m = m.Replace
	}
	return &spdx.Package{
		PackageName: m.Path, PackageVersion: m.Version,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{purl(m.Path, m.Version)},
		PrimaryPackagePurpose:     "LIBRARY",
	}
}

// purl names a module as scanners look it up (https://github.com/package-url/purl-spec).
func purl(path, version string) *spdx.PackageExternalReference {
	return &spdx.PackageExternalReference{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL,
		Locator: "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B"),
	}
}

func relation(of common.ElementID, is string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: of}, Relationship: is, RefB: common.DocElementID{ElementRefID: to}}
}

func sha256Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
