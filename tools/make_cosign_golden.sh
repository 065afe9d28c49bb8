#!/usr/bin/env bash
# Makes tests/data/cosign: a key, signatures and a bundle by the real cosign, which src/sign is tested against.
#
#   tools/make_cosign_golden.sh            needs build/cosign (tools/interop.sh), docker-registry and skopeo
#
# The image is a small layout of this script's own. cosign's password for the key is "skerry".
set -euo pipefail
cd "$(dirname "$0")/.."

cosign=${COSIGN:-build/cosign}
out=tests/data/cosign
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
export COSIGN_PASSWORD=skerry COSIGN_YES=true

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/registry.yml" <<END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
END
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
server=$!
for _ in $(seq 50); do
    curl -sf "http://127.0.0.1:$port/v2/" >/dev/null && break
    sleep 0.1
done

blob() { # FILE: puts it into the layout, prints its digest
    local hex
    hex=$(sha256sum <"$1" | cut -d' ' -f1)
    mkdir -p "$work/layout/blobs/sha256"
    cp "$1" "$work/layout/blobs/sha256/$hex"
    echo "sha256:$hex"
}
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}' >"$work/config"
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":"%s"},"layers":[]}' \
    "$(stat -c %s "$work/config")" "$config" >"$work/manifest"
digest=$(blob "$work/manifest")
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":%d,"digest":"%s","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' \
    "$(stat -c %s "$work/manifest")" "$digest" >"$work/layout/index.json"
skopeo copy -q --dest-tls-verify=false "oci:$work/layout:v1" "docker://127.0.0.1:$port/golden/image:v1"

mkdir -p "$out"
rm -f "$out"/cosign.key "$out"/cosign.pub
"$cosign" generate-key-pair --output-key-prefix "$out/cosign" >/dev/null 2>&1
image=127.0.0.1:$port/golden/image@$digest
base=http://127.0.0.1:$port/v2/golden/image
accept='Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json'
"$cosign" sign --key "$out/cosign.key" --tlog-upload=false --allow-insecure-registry "$image" 2>"$work/sign.log" || { cat "$work/sign.log" >&2; exit 1; }
curl -sfH "$accept" "$base/manifests/${digest/:/-}.sig" >"$work/sig.json"
python3 - "$work/sig.json" "$base" "$out" "$digest" <<'END'
import json, sys, urllib.request
manifest, base, out, digest = json.load(open(sys.argv[1])), *sys.argv[2:]
layer = manifest["layers"][0]
payload = urllib.request.urlopen(f"{base}/blobs/{layer['digest']}").read()
open(f"{out}/payload.json", "wb").write(payload)
open(f"{out}/signature.txt", "w").write(layer["annotations"]["dev.cosignproject.cosign/signature"] + "\n")
open(f"{out}/digest.txt", "w").write(digest + "\n")
END
cp "$work/manifest" "$out/manifest.json"

"$cosign" sign --key "$out/cosign.key" --tlog-upload=false --new-bundle-format --allow-insecure-registry "$image" 2>"$work/sign2.log" || { cat "$work/sign2.log" >&2; exit 1; }
# docker-registry has no referrers: the index lies at the tag that stands for them.
curl -sfH "$accept" "$base/manifests/${digest/:/-}" >"$work/referrers.json"
python3 - "$work/referrers.json" "$base" "$out" <<'END'
import json, sys, urllib.request
index, base, out = json.load(open(sys.argv[1])), *sys.argv[2:]
request = urllib.request.Request(f"{base}/manifests/{index['manifests'][0]['digest']}",
                                 headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
layer = json.load(urllib.request.urlopen(request))["layers"][0]
open(f"{out}/bundle.json", "wb").write(urllib.request.urlopen(f"{base}/blobs/{layer['digest']}").read())
END
"$cosign" sign-blob --key "$out/cosign.key" --tlog-upload=false --new-bundle-format --bundle "$out/blob-bundle.json" "$work/manifest" >/dev/null 2>"$work/blob.log" ||
    { cat "$work/blob.log" >&2; exit 1; }
chmod 644 "$out"/*
cosign_version=$("$cosign" version 2>/dev/null | sed -n 's/^GitVersion: *//p')
echo "made by cosign $cosign_version"
ls -l "$out"
