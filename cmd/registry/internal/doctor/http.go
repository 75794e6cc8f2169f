package doctor

import (
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// expiresSoon is how long before a certificate expires it is time to renew it.
const expiresSoon = 14 * 24 * time.Hour

var (
	hostBad = Kind{
		"http-host-bad", Broken,
		"Clients are sent to a URL that leads nowhere: pushes fail.",
		"Write `http.host` as clients reach this registry, such as `https://registry.example.com`, the same on all registries behind one load balancer; " +
			"or leave it out where the balancer passes `Host` on and sets `X-Forwarded-Proto`.",
	}
	hostPlain = Kind{
		"http-host-plain", Warning,
		"Clients that came by https are sent on to http, which most refuse.",
		"Write `http.host` with `https://`, or leave it out.",
	}
	secretWeak = Kind{
		"secret-weak", Warning,
		"Whoever guesses it can forge the state of an upload.",
		"Leave `http.secret` out: one is derived from this registry's key. Registries behind a load balancer need no common one, for an upload is handed on to the registry where it began.",
	}
	descriptorCache = Kind{
		"descriptor-cache", Warning,
		"It goes on answering for blobs that another registry has deleted.",
		"Leave `storage.cache.blobdescriptor` out: the path map is in memory already.",
	}
	tlsUnusable = Kind{
		"tls-unusable", Broken,
		"The registry does not start.",
		"Have `http.tls.certificate` and `http.tls.key` name a certificate in PEM, its intermediates after it, and its key, which the registry's user can read.",
	}
	tlsExpired = Kind{
		"tls-expired", Broken,
		"Clients refuse to connect. If the date is wrong on this machine, set its clock.",
		"Renew the certificate and restart the registry.",
	}
	tlsExpires = Kind{
		"tls-expires", Warning,
		"From then on clients refuse to connect.",
		"Renew the certificate and restart the registry.",
	}
	tlsNames = Kind{
		"tls-names", Warning,
		"Clients that come by this name refuse to connect.",
		"Have the name of `http.host` among the certificate's subject alternative names, or correct `http.host`.",
	}
	tlsExposed = Kind{
		"tls-key-exposed", Warning,
		"Every user of this machine can pass for this registry.",
		"`chmod 0600` the key, as the registry's own user.",
	}
)

func httpChecks() []Check {
	return []Check{
		{"http.host", "http.host is unset, or a URL", Configuration, []Kind{hostBad, hostPlain}, checkHost},
		{
			"http.secret", "http.secret is derived from the key, or hard to guess", Configuration, []Kind{secretWeak},
			func(f Facts) (all []Finding) {
				if f.Config.WeakSecret {
					all = append(all, secretWeak.found("http.secret", "is short, or from a manual"))
				}
				return all
			},
		},
		{
			"storage.cache", "there is no cache of descriptors", Configuration, []Kind{descriptorCache},
			func(f Facts) (all []Finding) {
				if c := f.Config.DescriptorCache; c != "" {
					all = append(all, descriptorCache.found("storage.cache.blobdescriptor", "is %s", c))
				}
				return all
			},
		},
		{"tls", "http.tls is unset, or its certificate is valid", Configuration, []Kind{tlsUnusable, tlsExpired, tlsExpires, tlsNames, tlsExposed}, checkTLS},
	}
}

func checkHost(f Facts) []Finding {
	host := f.Config.HTTPHost
	if host == "" {
		return nil
	}
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return []Finding{hostBad.found("http.host", "%q is no URL with http:// or https://", host)}
	case u.Scheme == "http" && f.Config.TLS != nil:
		return []Finding{hostPlain.found("http.host", "%s is not https, though http.tls is set", host)}
	}
	return nil
}

func checkTLS(f Facts) (all []Finding) {
	t := f.Config.TLS
	switch {
	case t == nil:
		return nil
	case t.Unknown != "":
		return []Finding{unknown("http.tls", "%s", t.Unknown)}
	case t.Trouble != "":
		return []Finding{tlsUnusable.found("http.tls", "%s", t.Trouble)}
	case f.At.Before(t.From):
		all = append(all, tlsExpired.found("http.tls.certificate", "%s is valid only from %s on", t.Path, t.From.UTC().Format(time.RFC3339)))
	case f.At.After(t.To):
		all = append(all, tlsExpired.found("http.tls.certificate", "%s has expired at %s", t.Path, t.To.UTC().Format(time.RFC3339)))
	case f.At.After(t.To.Add(-expiresSoon)):
		all = append(all, tlsExpires.found("http.tls.certificate", "%s expires %s, at %s", t.Path,
			humanize.RelTime(t.To, f.At, "ago", "from now"), t.To.UTC().Format(time.RFC3339)))
	}
	if !t.Covers {
		all = append(all, tlsNames.found("http.tls.certificate", "%s is for %s, not for %s", t.Path, orNothing(strings.Join(t.Names, ", ")), f.Config.HTTPHost))
	}
	if t.Exposed {
		all = append(all, tlsExposed.found("http.tls.key", "every user of this machine can read it"))
	}
	return all
}

func orNothing(text string) string {
	if text == "" {
		return "no name"
	}
	return text
}
