// Raw TLS and HTTP against a device, run on the home computer:
//
//   node probe.mjs < JSON
//
// JSON: {"address", "port", "ca": PEM, "probes": [{"name", "sni"?, "alpn"?, "tls"?: "TLSv1.2", "request"?: text}]}
// Prints one JSON object: name -> {"connected", "authorized", "protocol", "alpn", "error"?, "status"?, "headers"?, "body"?}.
// A name of "sni" that is checked against the certificate; without SNI nothing is checked.

import { connect } from 'node:tls';

function once({ address, port, ca }, { sni, alpn, tls, request }) {
  return new Promise((resolve) => {
    const result = { connected: false };
    const chunks = [];
    const socket = connect({
      host: address, port, servername: sni ?? '', ca: [ca], rejectUnauthorized: false,
      minVersion: tls ?? 'TLSv1.3', maxVersion: tls ?? 'TLSv1.3', ...(alpn ? { ALPNProtocols: [alpn] } : {}),
    });
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), 8000);
    socket.on('secureConnect', () => {
      Object.assign(result, { connected: true, authorized: socket.authorized, protocol: socket.getProtocol(), alpn: socket.alpnProtocol });
      if (socket.authorizationError) result.authorizationError = String(socket.authorizationError);
      if (request) socket.write(request);
      else socket.end();
    });
    socket.on('data', (data) => chunks.push(data));
    socket.on('error', (error) => { result.error = error.code ?? error.message; });
    socket.on('close', () => {
      clearTimeout(timer);
      const text = Buffer.concat(chunks).toString('latin1');
      const [head, ...rest] = text.split('\r\n\r\n');
      const match = /^HTTP\/1\.1 (\d+)/.exec(head);
      if (match) {
        result.status = Number(match[1]);
        result.headers = Object.fromEntries(head.split('\r\n').slice(1).map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }));
        result.body = rest.join('\r\n\r\n').slice(0, 2000);
      }
      resolve(result);
    });
  });
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
const plan = JSON.parse(input);
const results = {};
for (const probe of plan.probes) results[probe.name] = await once(plan, probe);
console.log(JSON.stringify(results));
