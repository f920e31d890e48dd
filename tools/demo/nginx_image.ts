/**
 * An OCI image of nginx, as a team would push it to a registry: Debian's own
 * packages as the base, and on top a layer with a site. Made without a container
 * tool and without root's rights.
 *
 * @module
 */

import { debianTree } from "../../tests/harness/debian_tree.ts";
import {
  ociLayoutFromFolder,
  type WrittenImage,
} from "../../tests/harness/oci_image.ts";

const PAGE = `<!doctype html>
<title>nginx on Volant</title>
<h1>It works</h1>
<p>Debian's nginx, out of an OCI image, with a kernel of its own.</p>
`;

const SITE = `server {
  listen 80 default_server;
  root /srv/www;
}
`;

/** As base-passwd has them; no package script ran that would have. */
const PASSWD = `root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
`;
const GROUP = "root:x:0:\nwww-data:x:33:\n";

/** Writes it into `folder`, as an OCI layout. */
export async function nginxImage(folder: string): Promise<WrittenImage> {
  return await ociLayoutFromFolder(folder, {
    root: await debianTree(["nginx-light"]),
    tag: "1.22",
    layers: [{
      entries: [
        { name: "etc/passwd", content: PASSWD },
        { name: "etc/group", content: GROUP },
        { name: "etc/nginx/conf.d/site.conf", content: SITE },
        { name: "srv/www/index.html", content: PAGE },
        {
          name: "var/log/nginx/access.log",
          type: "2",
          linkName: "/dev/stdout",
        },
        { name: "var/log/nginx/error.log", type: "2", linkName: "/dev/stderr" },
        { name: "run/", type: "5", mode: 0o755 },
      ],
    }],
    config: {
      Entrypoint: ["/usr/sbin/nginx"],
      Cmd: ["-g", "daemon off;"],
      Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      ExposedPorts: { "80/tcp": {} },
      StopSignal: "SIGQUIT",
    },
  });
}
