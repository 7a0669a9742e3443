// Request smuggling before a server that people use: nginx from Debian, unmodified, reads what the device makes of
// ambiguous requests, and writes down what it understood. However a request was sent, nginx has seen the requests
// that were meant, with the bodies that were meant, and nothing else.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { ambiguous1, ambiguous2 } from './lib/ambiguous.mjs';
import { Person } from './lib/binding.mjs';
import { Device, hasProgram, House, Program, until } from './lib/house.mjs';
import { readAnswer } from './lib/http.mjs';
import { FLAG, Raw, TYPE, block, frame } from './lib/http2.mjs';

const SITE = 'https://video.example';
const nginx = { skip: hasProgram('nginx') || hasProgram('../sbin/nginx') ? false : 'nginx is not installed' };

/** One worker, so that what came first is written down first. It passes requests to itself, and so reads bodies. */
const configuration = (folder, port) => `
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log info;
worker_processes 1;
${process.getuid() === 0 ? 'user root;' : ''}
events { worker_connections 256; }
http {
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_body_buffer_size 1m;
  keepalive_requests 100000;
  log_format seen escape=json '{"status":$status,"line":"$request","body":"$request_body","host":"$http_host","length":"$http_content_length","coding":"$http_transfer_encoding","origin":"$http_x_latchkey_origin"}';
  server {
    listen 127.0.0.1:${port};
    access_log ${folder}/seen.log seen;
    location / { proxy_pass http://unix:${folder}/sink.sock; }
  }
  server {
    listen unix:${folder}/sink.sock;
    access_log off;
    return 200 "seen";
  }
}
`;

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}

async function beforeNginx(t) {
  const house = House.open(t);
  const folder = house.path('nginx');
  mkdirSync(folder);
  const port = await freePort();
  writeFileSync(house.path('nginx.conf'), configuration(folder, port));
  const server = new Program(['nginx', '-c', house.path('nginx.conf'), '-p', folder], { PATH: `${process.env.PATH}:/usr/sbin` });
  house.keep(() => server.end());
  await until(() => {
    if (server.exit) throw new Error(server.errors);
    return fetch(`http://127.0.0.1:${port}/ready`).then((answer) => answer.ok, () => false);
  }, 'nginx');
  const device = await Device.start(house, { upstream: `http://127.0.0.1:${port}` });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  const lines = () => readFileSync(`${folder}/seen.log`, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  let read = lines().length;
  let marks = 0;
  /** What nginx has understood since the last call, in the order in which it came. */
  const seen = async () => {
    // An honest request behind the others: when it is written down, so is all that came before it.
    marks += 1;
    assert.equal((await grant.fetch(`/mark/${marks}`)).status, 200);
    const all = await until(() => {
      const found = lines();
      return found.at(-1)?.line === `GET /mark/${marks} HTTP/1.1` ? found : found.some((one) => one.line.includes(`/mark/${marks} `)) && found;
    }, 'the mark in nginx\'s log');
    const since = all.slice(read);
    read = all.length;
    return since.filter((one) => !one.line.includes(`/mark/${marks} `));
  };
  return { grant, seen };
}

/** What must hold of whatever nginx has seen: only `/outer`, at most once, whole and as it was meant, from this page. */
function judge(seen, what, { meant, status }) {
  assert.ok(seen.length <= 1, `${what}: nginx saw ${JSON.stringify(seen)}`);
  for (const one of seen) {
    assert.match(one.line, /^(POST|GET) \/outer HTTP\/1\.1$/, `${what}: ${JSON.stringify(one)}`);
    assert.equal(one.origin, SITE, what);
    assert.ok(!(one.length && one.coding), what);
    if (one.status === 200) assert.ok(meant !== undefined && one.body === meant, `${what}: nginx understood ${JSON.stringify(one)}, meant was ${JSON.stringify(meant)}`);
    // The rest was not what was promised: nginx was told by the end of its connection, 400 or 499 in its words.
    else assert.ok([400, 499].includes(one.status) && (meant === undefined || meant.startsWith(one.body)), `${what}: ${JSON.stringify(one)}`);
  }
  if (status === 200) assert.equal(seen.length === 1 && seen[0].status, 200, `${what}: answered, but not by nginx`);
}

async function send1(grant, bytes) {
  const socket = await grant.connect();
  // Nothing comes after it, so nobody waits for the rest of what claims to be larger.
  socket.end(Buffer.from(bytes, 'latin1'));
  const answer = await readAnswer(socket).catch(() => null);
  socket.destroy();
  return answer?.status;
}

test('request smuggling before nginx: the ambiguous ones of HTTP/1.1', nginx, async (t) => {
  const { grant, seen } = await beforeNginx(t);
  for (const [what, bytes] of Object.entries(ambiguous1(grant).attacks)) {
    const status = await send1(grant, bytes);
    assert.notEqual(status, 200, what);
    judge(await seen(), what, { status });
  }
});

// Each way to say how long a body is, beside each other way. [the line, what it means where it is understood].
const LENGTHS = {
  none: '', exact: (n) => `Content-Length: ${n}\r\n`, zero: 'Content-Length: 0\r\n', short: 'Content-Length: 3\r\n', plus: (n) => `Content-Length: +${n}\r\n`,
  list: (n) => `Content-Length: ${n}, ${n}\r\n`, twice: (n) => `Content-Length: ${n}\r\nContent-Length: ${n}\r\n`, differ: (n) => `Content-Length: ${n}\r\nContent-Length: 0\r\n`,
  blank: (n) => `Content-Length : ${n}\r\n`, tab: (n) => `Content-Length\t: ${n}\r\n`, under: (n) => `Content_Length: ${n}\r\n`, folded: (n) => `Content-Length:\r\n ${n}\r\n`, hex: 'Content-Length: 0x10\r\n',
  point: (n) => `Content-Length: ${n}.0\r\n`, exponent: 'Content-Length: 1e1\r\n', quoted: (n) => `Content-Length: "${n}"\r\n`, after: (n) => `Content-Length: ${n} x\r\n`, nul: (n) => `Content-Length: ${n}\0\r\n`,
  padded: (n) => `Content-Length: 000${n}\r\n`, large: 'Content-Length: 99999999999999999999\r\n', wraps: (n) => `Content-Length: ${(1n << 64n) + BigInt(n)}\r\n`,
};
const CODINGS = {
  none: '', chunked: 'Transfer-Encoding: chunked\r\n', capital: 'TRANSFER-ENCODING: CHUNKED\r\n', tabbed: 'Transfer-Encoding:\tchunked\r\n', trailing: 'Transfer-Encoding: chunked \t\r\n', close: 'Transfer-Encoding:chunked\r\n',
  blank: 'Transfer-Encoding : chunked\r\n', before: ' Transfer-Encoding: chunked\r\n', tabBefore: 'X: y\r\n\tTransfer-Encoding: chunked\r\n', vertical: 'Transfer-Encoding: \vchunked\r\n', feed: 'Transfer-Encoding: \fchunked\r\n',
  quoted: 'Transfer-Encoding: "chunked"\r\n', single: 'Transfer-Encoding: \'chunked\'\r\n', parameter: 'Transfer-Encoding: chunked;q=1\r\n', comma: 'Transfer-Encoding: ,chunked\r\n', commaAfter: 'Transfer-Encoding: chunked,\r\n',
  twice: 'Transfer-Encoding: chunked, chunked\r\n', twoLines: 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', identity: 'Transfer-Encoding: identity\r\n', identityFirst: 'Transfer-Encoding: identity, chunked\r\n',
  differ: 'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n', unknown: 'Transfer-Encoding: xchunked\r\n', longer: 'Transfer-Encoding: chunkedx\r\n', empty: 'Transfer-Encoding:\r\n', folded: 'Transfer-Encoding:\r\n chunked\r\n',
  foldedTab: 'Transfer-Encoding:\r\n\tchunked\r\n', under: 'Transfer_Encoding: chunked\r\n', nul: 'Transfer-Encoding: chunked\0\r\n', nulName: 'Transfer-\0Encoding: chunked\r\n', bareLf: 'X: y\nTransfer-Encoding: chunked\r\n',
  bareCr: 'X: y\rTransfer-Encoding: chunked\r\n', lfcr: 'X: y\n\rTransfer-Encoding: chunked\r\n', high: 'Transfer-Encoding: chunked\x80\r\n', highName: 'Transfer-Encoding\xa0: chunked\r\n', upperCase: 'Transfer-Encoding: Chunked\r\n',
  cunning: 'Transfer-Encoding: chunKed\r\n', gzip: 'Transfer-Encoding: gzip, chunked\r\n', named: 'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n',
};
// What is the one coding, said in a way that has one meaning.
const HONEST = new Set(['chunked', 'capital', 'tabbed', 'trailing', 'close', 'upperCase', 'cunning', 'named']);
// What is no length at all to a reader of HTTP: a field of another name, that the device does not pass on.
const OTHER_NAME = new Set(['none', 'under']);
const WHOLE = new Set(['exact', 'padded']);

test('request smuggling before nginx: every word on the length beside every other', nginx, async (t) => {
  const { grant, seen } = await beforeNginx(t);
  const head = `POST /outer HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nCookie: ${grant.cookie}\r\n`;
  // What hides in the body has no session: were it taken for a request by the device, it would be refused there.
  const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  let passed = 0;
  let sent = 0;
  for (const [lengthName, length] of Object.entries(LENGTHS)) {
    for (const [codingName, coding] of Object.entries(CODINGS)) {
      // The usual end of a chunked body, and then what should not be there.
      const body = `3\r\nabc\r\n0\r\n\r\n${inner}`;
      const line = typeof length === 'function' ? length(body.length) : length;
      const what = `length ${lengthName}, coding ${codingName}`;
      const status = await send1(grant, `${head}${coding}${line}\r\n${body}`);
      const noLength = OTHER_NAME.has(lengthName);
      const noCoding = OTHER_NAME.has(codingName);
      let meant;
      if (HONEST.has(codingName) && noLength) meant = 'abc';
      else if (noCoding && WHOLE.has(lengthName)) meant = body;
      else if (noCoding && lengthName === 'short') meant = body.slice(0, 3);
      else if (noCoding && (noLength || lengthName === 'zero')) meant = '';
      judge(await seen(), what, { meant, status });
      if (status === 200) passed += 1;
      sent += 1;
    }
  }
  assert.equal(sent, Object.keys(LENGTHS).length * Object.keys(CODINGS).length);
  // 8 codings without a length twice, and without a coding 6 lengths twice; padded zeros may be refused.
  assert.ok(passed >= 20 && passed <= 28, `${passed} of ${sent} had one meaning and came through`);
});

test('request smuggling before nginx: chunks', nginx, async (t) => {
  const { grant, seen } = await beforeNginx(t);
  const head = `POST /outer HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nCookie: ${grant.cookie}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  // [the body, what it means; nothing: it must not be understood]
  const bodies = {
    plain: [`3\r\nabc\r\n0\r\n\r\n${inner}`, 'abc'],
    'zeros before': [`0000000003\r\nabc\r\n000\r\n\r\n${inner}`, 'abc'],
    capitals: [`A\r\n0123456789\r\n0\r\n\r\n${inner}`, '0123456789'],
    'an extension': [`3;a=b\r\nabc\r\n0\r\n\r\n${inner}`, 'abc'],
    'an extension in quotes': [`3;a="b;c"\r\nabc\r\n0\r\n\r\n${inner}`, 'abc'],
    'an extension of the last': [`3\r\nabc\r\n0;a=b\r\n\r\n${inner}`, 'abc'],
    trailers: [`3\r\nabc\r\n0\r\nX-Latchkey-Origin: https://evil.example\r\n\r\n${inner}`, 'abc'],
    'trailers about the length': [`3\r\nabc\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n${inner}`, 'abc'],
    'a request in a chunk': [`${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`, inner],
    'an end in a chunk': [`7\r\n0\r\n\r\nab\r\n0\r\n\r\n${inner}`, '0\r\n\r\nab'],
    'a blank before': [` 3\r\nabc\r\n0\r\n\r\n${inner}`],
    'a blank after': [`3 \r\nabc\r\n0\r\n\r\n${inner}`],
    'a tab after': [`3\t\r\nabc\r\n0\r\n\r\n${inner}`],
    'a sign': [`+3\r\nabc\r\n0\r\n\r\n${inner}`],
    'a prefix': [`0x3\r\nabc\r\n0\r\n\r\n${inner}`],
    'an underscore': [`0_3\r\nabc\r\n0\r\n\r\n${inner}`],
    'not hexadecimal': [`g\r\nabc\r\n0\r\n\r\n${inner}`],
    'bare LF': [`3\nabc\r\n0\r\n\r\n${inner}`],
    'bare LF after': [`3\r\nabc\n0\r\n\r\n${inner}`],
    'bare LF at the end': [`3\r\nabc\r\n0\n\n${inner}`],
    'bare CR': [`3\rabc\r\n0\r\n\r\n${inner}`],
    'two ends of a line': [`3\r\n\r\nabc\r\n0\r\n\r\n${inner}`],
    'no end of the chunk': [`3\r\nabc0\r\n\r\n${inner}`],
    'two bytes too many': [`3\r\nabcXX0\r\n\r\n${inner}`],
    'LF in an extension': [`3;a\nb\r\nabc\r\n0\r\n\r\n${inner}`],
    'CR in an extension': [`3;a\rb\r\nabc\r\n0\r\n\r\n${inner}`],
    'an open quote over the end': [`3;a="\r\nabc\r\n0\r\n\r\n"\r\n${inner}`, 'abc'],
    '64 bits': [`10000000000000003\r\nabc\r\n0\r\n\r\n${inner}`],
    'nearly 64 bits': [`ffffffffffffffff\r\nabc\r\n0\r\n\r\n${inner}`],
    '63 bits': [`8000000000000003\r\nabc\r\n0\r\n\r\n${inner}`],
    'a negative one': [`-3\r\nabc\r\n0\r\n\r\n${inner}`],
    'no size': [`\r\nabc\r\n0\r\n\r\n${inner}`],
    'only an extension': [`;a\r\nabc\r\n0\r\n\r\n${inner}`],
    'NUL': [`3\0\r\nabc\r\n0\r\n\r\n${inner}`],
    'a trailer without a colon': [`3\r\nabc\r\n0\r\n${inner}`],
    'a folded trailer': [`3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n${inner}`, 'abc'], // trailers are read and dropped
    'a trailer with bare LF': [`3\r\nabc\r\n0\r\nX: a\n\r\n${inner}`],
  };
  for (const [what, [body, meant]] of Object.entries(bodies)) {
    const status = await send1(grant, head + body);
    judge(await seen(), what, { meant, status });
    if (['plain', 'trailers', 'an extension', 'a request in a chunk', 'an end in a chunk'].includes(what)) assert.equal(status, 200, what);
  }
});

test('request smuggling before nginx: HTTP/2 that HTTP/1.1 must not hear', nginx, async (t) => {
  const { grant, seen } = await beforeNginx(t);
  const { inner, heads, lengths } = ambiguous2(grant);
  const send = async (fields, body, ends = true) => {
    const raw = await Raw.open(grant);
    const bytes = block(fields);
    raw.write(frame(TYPE.headers, bytes.length > 16000 ? 0 : FLAG.endHeaders, 1, bytes.subarray(0, 16000)));
    if (bytes.length > 16000) raw.write(frame(TYPE.continuation, FLAG.endHeaders, 1, bytes.subarray(16000)));
    raw.write(frame(TYPE.data, ends ? FLAG.endStream : 0, 1, Buffer.from(body, 'latin1')));
    const answer = ends ? await raw.answer(1) : null;
    raw.socket.destroy();
    return answer?.status;
  };
  const fields = (changes, more) => Raw.prototype.fields.call({ grant }, changes, more);
  for (const [what, [changes, more]] of Object.entries(heads)) {
    const status = await send(fields(changes, more), inner);
    judge(await seen(), what, { status });
    assert.notEqual(status, 200, what);
  }
  for (const [what, [length, body]] of Object.entries(lengths)) {
    const status = await send(fields({}, [['content-length', length]]), body);
    judge(await seen(), what, { status });
    assert.notEqual(status, 200, what);
  }
  // Each word on the length of HTTP/1.1, said in HTTP/2.
  const value = (line) => (/^[\w-]+[ \t]*:[ \t]*([\s\S]*?)\r\n/.exec(line) ?? [])[1];
  let passed = 0;
  for (const [lengthName, length] of Object.entries(LENGTHS)) {
    for (const [codingName, coding] of [['none', ''], ['chunked', CODINGS.chunked], ['under', CODINGS.under]]) {
      const body = `3\r\nabc\r\n0\r\n\r\n${inner}`;
      const line = typeof length === 'function' ? length(body.length) : length;
      const more = [];
      if (line) more.push([lengthName === 'under' ? 'content_length' : 'content-length', value(line) ?? line]);
      if (lengthName === 'twice' || lengthName === 'differ') more.push(['content-length', lengthName === 'twice' ? String(body.length) : '0']);
      if (coding) more.push([codingName === 'under' ? 'transfer_encoding' : 'transfer-encoding', 'chunked']);
      const what = `h2, length ${lengthName}, coding ${codingName}`;
      const status = await send(fields({}, more), body);
      const understood = codingName !== 'chunked' && (OTHER_NAME.has(lengthName) || WHOLE.has(lengthName) || ['blank', 'tab', 'folded'].includes(lengthName));
      // Where more comes than was promised, nginx may have had what was promised, and nothing of the rest.
      const promised = codingName === 'chunked' ? undefined : { zero: '', short: body.slice(0, 3) }[lengthName];
      judge(await seen(), what, { meant: understood ? body : promised, status });
      if (status === 200) passed += 1;
    }
  }
  assert.ok(passed >= 6, `${passed}`);
  // A body that stops is no body: nginx hears of the end of the connection, not of a request.
  assert.equal(await send(fields({}, [['content-length', '1000']]), inner, false), undefined);
  judge(await seen(), 'a body that stops', {});
});
