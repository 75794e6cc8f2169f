// Pushes and pulls as a client does, as far as the page's test needs it.
//
//   node registry.mjs http://127.0.0.1:5000 team/app:1 [bytes]

import { createHash, randomBytes } from "node:crypto";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

const types = { manifest: "application/vnd.oci.image.manifest.v1+json", config: "application/vnd.oci.image.config.v1+json", layer: "application/vnd.oci.image.layer.v1.tar" };

async function must(url, options, status) {
  const answer = await fetch(url, options);
  if (answer.status !== status) throw new Error(`${options.method} ${url}: ${answer.status} ${await answer.text()}`);
  return answer;
}

async function pushBlob(base, repository, content) {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const begun = await must(`${base}/v2/${repository}/blobs/uploads/`, { method: "POST" }, 202);
  const at = new URL(begun.headers.get("location"), base);
  at.searchParams.set("digest", digest);
  await must(at, { method: "PUT", body: content, headers: { "Content-Type": "application/octet-stream" } }, 201);
  return { digest, size: content.length };
}

// push pushes an image of one layer, of random bytes, and returns the layer's digest.
export async function push(base, image, bytes) {
  const [repository, tag] = image.split(":");
  const layer = await pushBlob(base, repository, randomBytes(bytes));
  const config = await pushBlob(base, repository, Buffer.from(JSON.stringify({
    architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [layer.digest] },
  })));
  const manifest = { schemaVersion: 2, mediaType: types.manifest, config: { mediaType: types.config, ...config }, layers: [{ mediaType: types.layer, ...layer }] };
  await must(`${base}/v2/${repository}/manifests/${tag}`, { method: "PUT", body: JSON.stringify(manifest), headers: { "Content-Type": types.manifest } }, 201);
  return layer.digest;
}

// pull reads a blob to its end.
export async function pull(base, repository, digest) {
  const answer = await must(`${base}/v2/${repository}/blobs/${digest}`, { method: "GET" }, 200);
  const hash = createHash("sha256");
  for await (const part of answer.body) hash.update(part);
  if (`sha256:${hash.digest("hex")}` !== digest) throw new Error(`${digest}: other bytes came`);
}

if (import.meta.url === pathToFileURL(argv[1]).href) console.log(await push(argv[2], argv[3], Number(argv[4] || 1 << 20)));
