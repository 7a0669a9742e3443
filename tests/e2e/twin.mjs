// Somebody who answers to a device's name with a key of their own, asks everybody to sign in, and writes
// down whatever they say.
//
//   node twin.mjs PORT CERT KEY

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [, , port, cert, key] = process.argv;
const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
  console.log(`asked ${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
  response.writeHead(401, { 'Content-Type': 'text/html', 'Latchkey-Sign-In': '1', 'Access-Control-Allow-Origin': '*' });
  response.end('<p>sign in');
});
// Whoever looked at the key and hung up before saying anything.
server.on('tlsClientError', () => console.log('turned away'));
server.listen(Number(port), '0.0.0.0', () => console.log(`twin on ${port}`));
