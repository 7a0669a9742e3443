// The media cache fetches by itself: what it must not be used for. Row 46 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { request as ask } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, execute, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';
import { table, WebOrigin } from './lib/origin.mjs';
import { events, kinds, over, post, SITE, stage, start } from './lib/prefetch.mjs';

const OTHER = 'https://other.example';
const sha256 = (content) => createHash('sha256').update(content).digest('hex');

test('row 46: a list is fetched and kept under names that the page knows', async (t) => {
  const film = randomBytes(3 << 20);
  const { cache, origin } = await stage(t, table({
    '/film.mp4?part=1': { body: film, headers: { 'Content-Type': 'video/mp4', ETag: '"v1"', 'Last-Modified': 'Tue, 14 Nov 2023 22:13:20 GMT', 'Set-Cookie': 'who=me' } },
    '/gone': { status: 410 },
  }));
  const job = await start(cache, { urls: [`${origin.url}/film.mp4?part=1`, { url: `${origin.url}/film.mp4?part=1` }, `${origin.url}/gone`], pin: true });
  assert.equal(job.items, 2, 'what is named twice is one');
  const ended = await over(cache, job);
  assert.deepEqual([ended.state, ended.done, ended.failed, ended.bytes], ['done', 1, 1, film.length]);
  const got = await cache.ask(`/objects/${origin.host}/film.mp4?part=1`);
  assert.ok(got.body.equals(film));
  assert.equal(got.headers['content-type'], 'video/mp4');
  assert.equal(got.headers['last-modified'], 'Tue, 14 Nov 2023 22:13:20 GMT');
  assert.equal(got.headers['set-cookie'], undefined);
  assert.equal((await cache.ask('/objects')).json.objects[0].pinned, true);
  // It said for whom it asks, and nothing else of anybody.
  assert.equal(origin.asked[0].headers.origin, SITE);
  for (const name of ['cookie', 'authorization', 'referer', 'accept-language', 'x-latchkey-sub']) assert.equal(origin.asked[0].headers[name], undefined, name);

  const told = await events(cache, job);
  assert.deepEqual(kinds(told, 'failed').map((one) => one.data.why), ['http_410']);
  assert.equal(kinds(told, 'object')[0].data.path, `/objects/${origin.host}/film.mp4?part=1`);
  assert.equal(told.at(-1).event, 'end');
  assert.equal(told.at(-1).data.state, 'done');
  // Whoever comes back is told the rest only.
  const rest = await events(cache, job, { last: 1 });
  assert.deepEqual(rest.filter((one) => one.event === 'object' || one.event === 'failed').map((one) => one.id), [2]);

  // Once more: the server is asked whether it changed, and sends nothing.
  origin.answer = (request, response) => { response.writeHead(request.headers['if-none-match'] === '"v1"' ? 304 : 500).end(); };
  const again = await over(cache, await start(cache, { urls: [`${origin.url}/film.mp4?part=1`] }));
  assert.deepEqual([again.done, again.failed, again.bytes], [1, 0, film.length]);
  // Whose content is known is not asked at all.
  const before = origin.asked.length;
  const known = await over(cache, await start(cache, { urls: [{ url: `${origin.url}/film.mp4?part=1`, sha256: sha256(film) }] }));
  assert.equal(known.done, 1);
  assert.equal(origin.asked.length, before);
});

test('row 46: playlists are followed, and lead into the cache', async (t) => {
  const { cache, origin } = await stage(t, (request, response) => origin.table(request, response));
  const other = `https://127.0.0.1:${origin.port}`;
  origin.table = table({
    '/hls/master.m3u8': `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=900\nbig.m3u8\n`,
    '/hls/small.m3u8': `#EXTM3U\n#EXT-X-MAP:URI="/init.mp4"\n#EXTINF:2,\na.m4s\n#EXTINF:2,\n${other}/hls/b.m4s?x=1\n#EXT-X-ENDLIST\n`,
    '/init.mp4': 'init', '/hls/a.m4s': 'aaaa', '/hls/b.m4s?x=1': 'bb',
    '/dash/film.mpd': { headers: { 'Content-Type': 'application/dash+xml' }, body: `<MPD mediaPresentationDuration="PT4S"><Period><BaseURL>${other}/dash/x/</BaseURL><AdaptationSet><SegmentTemplate media="$Number$.m4s" initialization="i.mp4" duration="2"/><Representation id="1"/></AdaptationSet></Period></MPD>` },
    '/dash/x/i.mp4': 'i', '/dash/x/1.m4s': '1', '/dash/x/2.m4s': '2',
  });
  const ended = await over(cache, await start(cache, { urls: [`${origin.url}/hls/master.m3u8`, `${origin.url}/dash/film.mpd`], maxBandwidth: 500 }));
  assert.deepEqual([ended.state, ended.done, ended.failed], ['done', 9, 0]);
  assert.equal(origin.count('/hls/big.m3u8'), 0);
  const at = (path) => cache.ask(`/objects/${origin.host}${path}`);
  assert.equal((await at('/hls/master.m3u8')).body.toString(), '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n');
  // As a player would: every reference, resolved where the list was found.
  const text = (await at('/hls/small.m3u8')).body.toString();
  const references = [...text.matchAll(/URI="([^"]*)"|^([^#\n].*)$/gm)].map((match) => match[1] ?? match[2]);
  assert.equal(references.length, 3);
  for (const [reference, content] of references.map((one, i) => [one, ['init', 'aaaa', 'bb'][i]])) {
    const url = new URL(reference, `https://cache.local/objects/${origin.host}/hls/small.m3u8`);
    assert.equal(url.host, 'cache.local', reference);
    assert.equal((await cache.ask(url.pathname + url.search)).body.toString(), content, reference);
  }
  const base = /<BaseURL>(.*)<\/BaseURL>/.exec((await at('/dash/film.mpd')).body.toString())[1];
  assert.equal((await cache.ask(`${base}2.m4s`)).body.toString(), '2');
});

test('row 46: it fetches nothing from the home: not by address, not by name, not by redirect', async (t) => {
  const { house, authority, origin, cache } = await stage(t, (request, response) => {
    response.writeHead(302, { Location: `${lan.url}${request.url}` }).end();
  });
  const lan = await WebOrigin.start(house, authority, table({ '/secret': 'secret' }), { address: '127.0.0.2', name: '127.0.0.2' });
  // By a redirect of somebody whom it may ask.
  const moved = await over(cache, await start(cache, { urls: [`${origin.url}/secret`] }));
  assert.deepEqual([moved.done, moved.failed], [0, 1]);
  assert.equal(origin.count('/secret'), 2, 'it did ask there, and tried again');
  // By address, in all the ways that it can be written.
  const addresses = ['127.0.0.2', '127.2', '2130706434', '0x7f000002', '[::ffff:127.0.0.2]', '[::ffff:7f00:2]', '[64:ff9b::7f00:2]', '0.0.0.0', '[::]', '[::1]', '169.254.169.254', '10.0.0.1', '192.168.0.1', '100.64.0.1', '[fd00::1]', '[fe80::1]'];
  const urls = addresses.map((address) => `https://${address}:${lan.port}/secret`);
  const direct = await start(cache, { urls });
  const ended = await over(cache, direct);
  assert.deepEqual([ended.done, ended.failed], [0, urls.length]);
  // A page cannot tell an address that is not asked from one where nobody answers.
  const told = kinds(await events(cache, direct), 'failed').map((one) => one.data.why);
  assert.deepEqual([...new Set(told)], ['unreachable']);
  assert.equal(lan.connections, 0, 'not even connected to');
  assert.deepEqual((await cache.ask('/objects')).json.objects, []);
  // By a name that leads there: without the permission for the test's own network, localhost is one.
  const strict = await MediaCache.start({ path: (...names) => house.path('strict', ...names), keep: (end) => house.keep(end) }, { more: ['--ca-file', authority.ca, '--fetch-attempts', '1'] });
  const before = origin.connections;
  const named = await over(strict, await start(strict, { urls: [`${origin.url}/secret`] }));
  assert.deepEqual([named.done, named.failed], [0, 1]);
  assert.equal(origin.connections, before);
});

test('row 46: it fetches for a page only what the page could read itself', async (t) => {
  const { cache, origin } = await stage(t, (request, response) => {
    const allowed = { '/none': undefined, '/other': OTHER, '/null': 'null', '/mine': SITE, '/all': '*' }[request.url.split('?')[0]];
    if (allowed === undefined) response.removeHeader('Access-Control-Allow-Origin');
    else response.setHeader('Access-Control-Allow-Origin', allowed);
    if (request.url.endsWith('?to')) response.writeHead(302, { Location: '/all' }).end();
    else response.end('balance: 5');
  });
  const paths = ['/none', '/other', '/null', '/none?to', '/mine', '/all', '/mine?to'];
  const ended = await over(cache, await start(cache, { urls: paths.map((path) => origin.url + path) }));
  assert.deepEqual([ended.done, ended.failed], [3, 4]);
  const names = (await cache.ask('/objects')).json.objects.map((one) => one.name.slice(one.name.indexOf('/')));
  assert.deepEqual(names, ['/all', '/mine', '/mine?to']);
});

test('row 46: another site sees nothing of a job', async (t) => {
  const { cache, origin } = await stage(t, table({ '/a': 'a' }));
  const job = await start(cache, { urls: [`${origin.url}/a`] });
  await over(cache, job);
  const other = { origin: OTHER };
  assert.deepEqual((await cache.ask('/prefetch', other)).json.jobs, []);
  const nobody = (await cache.ask(`/prefetch/${'0'.repeat(32)}`, other)).body.toString();
  assert.equal((await cache.ask(job.path, other)).body.toString(), nobody);
  assert.equal((await cache.ask(`${job.path}/events`, other)).status, 404);
  assert.equal((await cache.ask(job.path, { ...other, method: 'DELETE' })).status, 404);
  assert.equal((await cache.ask(`/objects/${origin.host}/a`, other)).status, 404);
  assert.equal((await cache.ask('/prefetch')).json.jobs.length, 1);
  assert.equal((await cache.ask(job.path, { method: 'DELETE' })).status, 204);
  assert.equal((await cache.ask(job.path)).status, 404);
  assert.equal((await cache.ask(`/objects/${origin.host}/a`)).status, 200, 'what it brought stays');
});

test('row 46: content that is not what it should be is not kept', async (t) => {
  const right = randomBytes(100_000);
  const { cache, origin } = await stage(t, table({
    '/right': right,
    '/said': { body: right, headers: { 'Repr-Digest': `sha-256=:${createHash('sha256').update('other').digest('base64')}:` } },
    '/zipped': { body: right, headers: { 'Content-Encoding': 'gzip' } },
    '/part': { status: 206, body: right, headers: { 'Content-Range': `bytes 0-99999/100000` } },
    '/list': { body: '#EXTM3U\n#EXTINF:1,\na\n', headers: { 'Content-Type': 'application/vnd.apple.mpegurl' } },
    '/a': 'a',
  }));
  const wrong = sha256('something else');
  const job = await start(cache, { urls: [
    { url: `${origin.url}/right`, sha256: wrong }, `${origin.url}/said`, `${origin.url}/zipped`, `${origin.url}/part`, { url: `${origin.url}/list`, sha256: wrong },
  ] });
  const ended = await over(cache, job);
  assert.deepEqual([ended.done, ended.failed], [0, 5]);
  const why = Object.fromEntries(kinds(await events(cache, job), 'failed').map((one) => [new URL(one.data.url).pathname, one.data.why]));
  assert.deepEqual(why, { '/right': 'digest_mismatch', '/said': 'digest_mismatch', '/zipped': 'encoded', '/part': 'bad_range', '/list': 'digest_mismatch' });
  assert.equal(origin.count('/a'), 0, 'a list that is not the right one leads nowhere');
  assert.deepEqual((await cache.ask('/objects')).json.objects, []);
  // And never takes the place of what is right.
  await over(cache, await start(cache, { urls: [{ url: `${origin.url}/right`, sha256: sha256(right) }] }));
  await over(cache, await start(cache, { urls: [{ url: `${origin.url}/right`, sha256: wrong }] }));
  assert.ok((await cache.ask(`/objects/${origin.host}/right`)).body.equals(right));
  assert.equal(readdirSync(join(cache.state, 'incoming')).length, 0);
});

test('row 46: bodies without an end, lists without an end, and floods of jobs', async (t) => {
  const { cache, origin } = await stage(t, (request, response) => {
    if (request.url === '/endless') {
      const piece = Buffer.alloc(1 << 20);
      const more = () => { while (!response.destroyed && response.write(piece)); };
      response.on('drain', more);
      more();
    } else if (request.url === '/list') {
      response.end(`#EXTM3U\n${Array.from({ length: 60_000 }, (_, i) => `#EXTINF:1,\n${i}.ts\n`).join('')}`);
    } else if (request.url.startsWith('/loop')) {
      response.end(`#EXTM3U\n#EXTINF:1,\nloop${randomBytes(8).toString('hex')}\n`);
    } else if (request.url === '/never') {
      response.writeHead(302, { Location: '/never' }).end();
    } else if (request.url.startsWith('/slow')) {
      response.writeHead(200, { 'Content-Length': 1000 });
      response.write('x');
    } else {
      response.end('a');
    }
  }, { more: ['--quota', '40M', '--quota-per-origin', '20M'] });
  const endless = await over(cache, await start(cache, { urls: [`${origin.url}/endless`] }));
  assert.deepEqual([endless.state, endless.why], ['stopped', 'no_room']);
  for (const [path, failed] of [['/list', 1], ['/never', 1]]) {
    const ended = await over(cache, await start(cache, { urls: [origin.url + path] }));
    assert.deepEqual([ended.done, ended.failed], [0, failed], path);
  }
  const loop = await over(cache, await start(cache, { urls: [`${origin.url}/loop`] }));
  assert.ok(loop.items <= 3, `${loop.items}`);
  const usage = readdirSync(join(cache.state, 'incoming')).reduce((sum, name) => sum + statSync(join(cache.state, 'incoming', name)).size, 0);
  assert.equal(usage, 0);

  // A million at once is refused before it is read; so is what one job may not have.
  const many = JSON.stringify({ urls: Array.from({ length: 1_000_000 }, (_, i) => `https://a.example/${i}`) });
  assert.equal((await post(cache, many).catch(() => ({ status: 413 }))).status, 413);
  assert.equal((await post(cache, { urls: Array.from({ length: 50_001 }, (_, i) => `https://a.example/${i}`) })).json.error, 'too_many');
  for (const body of ['', '[]', '{}', '{"urls":[]}', '{"urls":[1]}', '{"urls":"a"}', '{"urls":["http://a.example/"]}', '{"urls":["https://u:p@a.example/"]}', '{"urls":["file:///etc/passwd"]}',
    '{"urls":["https://a.example/"],"pin":1}', '{"urls":["https://a.example/"],"urls":[]}', '{"urls":[{"url":"https://a.example/","sha256":"00"}]}', `${'['.repeat(5000)}`]) {
    assert.equal((await post(cache, body)).status, 400, body.slice(0, 60));
  }
  assert.equal((await post(cache, { urls: ['https://a.example/'] }, { headers: { 'Content-Type': 'text/plain' } })).status, 415);
  // Slow ones are few jobs and few connections, and another site still gets its turn.
  for (let i = 0; i < 16; ++i) await start(cache, { urls: Array.from({ length: 20 }, (_, n) => `${origin.url}/slow${i}-${n}`) });
  assert.equal((await post(cache, { urls: [`${origin.url}/x`] })).json.error, 'too_many_jobs');
  await until(() => origin.asked.some((one) => one.path.startsWith('/slow')), 'a slow one');
  const theirs = await post(cache, { urls: [`https://127.0.0.1:${origin.port}/y`] }, { origin: OTHER });
  const done = await until(async () => {
    const job = (await cache.ask(theirs.json.path, { origin: OTHER })).json;
    return job.state === 'done' ? job : null;
  }, 'the other site\'s file');
  assert.equal(done.done, 1);
  // Ending a job ends its connections.
  for (const job of (await cache.ask('/prefetch')).json.jobs) assert.equal((await cache.ask(job.path, { method: 'DELETE' })).status, 204);
  await until(async () => (await new Promise((got) => { origin.server.getConnections((_, count) => got(count)); })) <= 1, 'the connections to end');
});

test('row 46: a job does not throw away its own film, and says that there was no room', async (t) => {
  const segment = randomBytes(1 << 20);
  const films = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`/${i}.ts`, segment]));
  const list = (names) => `#EXTM3U\n${names.map((name) => `#EXTINF:1,\n${name}\n`).join('')}#EXT-X-ENDLIST\n`;
  const { cache, origin } = await stage(t, table({ ...films, '/long.m3u8': list(Object.keys(films)), '/short.m3u8': list(['/0.ts', '/1.ts']) }), { more: ['--quota', '8M', '--quota-per-origin', '1G'] });
  for (let i = 0; i < 5; ++i) assert.equal((await cache.put(`old${i}`, segment)).status, 201);
  const ended = await over(cache, await start(cache, { urls: [`${origin.url}/long.m3u8`] }));
  assert.deepEqual([ended.state, ended.why], ['stopped', 'no_room']);
  const names = async () => (await cache.ask('/objects')).json.objects.map((one) => one.name);
  const brought = (await names()).filter((name) => name.startsWith(origin.host));
  assert.equal(brought.length, ended.done, 'what it says that it brought is there');
  assert.ok(brought.includes(`${origin.host}/long.m3u8`));
  // How much has come depends on what was under way when there was no more room; what is older went before.
  assert.ok(brought.length >= 2, `${brought.length}`);
  assert.deepEqual((await names()).filter((name) => name.startsWith('old')), []);
  // What another job has brought before is older, too.
  const next = await over(cache, await start(cache, { urls: [`${origin.url}/short.m3u8`] }));
  assert.deepEqual([next.state, next.done], ['done', 3]);
  for (const name of ['short.m3u8', '0.ts', '1.ts']) assert.ok((await names()).includes(`${origin.host}/${name}`), name);
});

test('row 46: a playlist that leads to no film is no success, and what is left out is told', async (t) => {
  const mpd = (inside) => ({ headers: { 'Content-Type': 'application/dash+xml' }, body: `<MPD><Period><AdaptationSet>${inside}</AdaptationSet></Period></MPD>` });
  const hls = (lines, end = '#EXT-X-ENDLIST\n') => `#EXTM3U\n${lines}${end}`;
  const { cache, origin } = await stage(t, table({
    '/plain.m3u8': hls('#EXTINF:1,\nhttp://cdn.example/a.ts\n#EXTINF:1,\nhttp://cdn.example/b.ts\n'),
    '/variable.m3u8': hls('#EXT-X-DEFINE:NAME="p",VALUE="x"\n#EXTINF:1,\n{$p}/a.ts\n'),
    '/endless.mpd': mpd('<SegmentTemplate media="$Number$.m4s" initialization="i.mp4" duration="2"/><Representation id="1"/>'),
    '/elsewhere.mpd': { headers: { 'Content-Type': 'application/dash+xml' }, body: '<MPD><Period xlink:href="https://ads.example/" xmlns:xlink="http://www.w3.org/1999/xlink"/></MPD>' },
    '/self.mpd': mpd('<Representation id="1"/>'),
    '/half.m3u8': hls('#EXTINF:1,\na.ts\n#EXTINF:1,\nhttp://cdn.example/b.ts\n'),
    '/live.m3u8': hls('#EXTINF:1,\na.ts\n', ''),
    '/one-file.m3u8': hls('#EXT-X-MAP:URI="film.mp4",BYTERANGE="10@0"\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@10\nfilm.mp4\n'),
    '/a.ts': 'a', '/i.mp4': 'i', '/film.mp4': Buffer.alloc(20),
  }));
  const brings = async (path) => {
    const job = await start(cache, { urls: [origin.url + path] });
    const { state, why, failed, skipped, live } = await over(cache, job);
    const end = (await events(cache, job)).at(-1);
    assert.deepEqual([end.event, end.data.state, end.data.skipped, end.data.live], ['end', state, skipped, live]);
    return [state, why, failed, skipped, live];
  };
  assert.deepEqual(await brings('/plain.m3u8'), ['failed', 'no_media', 0, 2, false]);
  assert.deepEqual(await brings('/variable.m3u8'), ['failed', 'no_media', 0, 1, false]);
  assert.deepEqual(await brings('/endless.mpd'), ['failed', 'no_media', 0, 1, false]);
  assert.deepEqual(await brings('/elsewhere.mpd'), ['failed', 'no_media', 0, 1, false]);
  assert.deepEqual(await brings('/self.mpd'), ['failed', 'no_media', 0, 0, false]);
  assert.deepEqual(await brings('/gone.mp4'), ['failed', 'no_media', 1, 0, false]);
  assert.deepEqual(await brings('/half.m3u8'), ['done', undefined, 0, 1, false]);
  assert.deepEqual(await brings('/live.m3u8'), ['done', undefined, 0, 0, true]);
  assert.deepEqual(await brings('/one-file.m3u8'), ['done', undefined, 0, 0, false]);
  // The lists are there by now: what they lead to is told all the same.
  assert.deepEqual(await brings('/plain.m3u8'), ['failed', 'no_media', 0, 2, false]);
});

test('row 46: one site that watches everything leaves places to another', async (t) => {
  const { cache, origin } = await stage(t, (request, response) => { response.write('x'); });
  const watch = (job, site) => new Promise((done, fail) => {
    const sent = ask({ socketPath: cache.socket, path: `${job.path}/events`, headers: { 'X-Latchkey-Sub': 'somebody', 'X-Latchkey-Origin': site }, agent: false }, (answer) => {
      answer.on('error', () => {});
      answer.resume();
      done({ status: answer.statusCode, end: () => sent.destroy() });
    });
    sent.on('error', fail);
    sent.end();
  });
  const job = await start(cache, { urls: [`${origin.url}/a`] });
  const theirs = (await post(cache, { urls: [`${origin.url}/b`] }, { origin: OTHER })).json;
  const watching = [];
  for (let i = 0; i < 64; ++i) watching.push(await watch(job, SITE));
  assert.deepEqual([watching.filter((one) => one.status === 200).length, watching.at(-1).status], [16, 503]);
  const other = await watch(theirs, OTHER);
  assert.equal(other.status, 200);
  for (const one of [...watching, other]) one.end();

  // Lists that are sent slowly: two of one site, and another one is still heard.
  const slow = () => new Promise((done) => {
    const sent = ask({ socketPath: cache.socket, method: 'POST', path: '/prefetch', agent: false, headers: { 'X-Latchkey-Sub': 'somebody', 'X-Latchkey-Origin': SITE, 'Content-Type': 'application/json', 'Content-Length': 100 } });
    sent.on('response', (answer) => { answer.resume(); done({ status: answer.statusCode }); });
    sent.on('error', () => {});
    sent.write('{', () => done({ end: () => sent.destroy() }));
    t.after(() => sent.destroy());
  });
  for (let i = 0; i < 4; ++i) await slow();
  await until(async () => (await post(cache, { urls: ['https://a.example/'] })).json.error === 'busy', 'the site to have its share');
  assert.equal((await post(cache, { urls: [`${origin.url}/c`] }, { origin: OTHER })).status, 202);
});

test('row 46: a job whose list is damaged says so', async (t) => {
  const { cache, origin } = await stage(t, (request, response) => { response.write('x'); });
  const job = await start(cache, { urls: [`${origin.url}/a`] });
  await cache.program.end();
  const damage = 'import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute("UPDATE fetches SET depth=-1"); d.commit()';
  assert.equal((await execute(['python3', '-c', damage, join(cache.state, 'index.db')])).code, 0);
  await cache.run();
  const ended = await over(cache, job);
  assert.deepEqual([ended.state, ended.why], ['stopped', 'list_damaged']);
});

test('row 46: a server that asks for patience gets it', async (t) => {
  let first = true;
  const times = [];
  const { cache, origin } = await stage(t, (request, response) => {
    times.push(Date.now());
    if (first) response.writeHead(503, { 'Retry-After': '3' }).end();
    else response.end('a');
    first = false;
  });
  const ended = await over(cache, await start(cache, { urls: [`${origin.url}/a`] }));
  assert.equal(ended.done, 1);
  assert.equal(times.length, 2);
  assert.ok(times[1] - times[0] >= 2900, `${times[1] - times[0]} ms`);
});

test('row 46: a damaged object whose source is known comes back by itself', async (t) => {
  const film = randomBytes(200_000);
  const { cache, origin } = await stage(t, table({ '/film.mp4': film }));
  await over(cache, await start(cache, { urls: [`${origin.url}/film.mp4`], pin: true }));
  await cache.put('own', 'put here by hand');
  const folder = join(cache.state, 'objects');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).map((one) => join(one.parentPath ?? one.path, one.name));
  for (const file of files) {
    const fd = openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, 5);
    writeSync(fd, Buffer.from([byte[0] ^ 1]), 0, 1, 5);
    closeSync(fd);
  }
  await cache.program.end();
  await cache.run();
  assert.equal((await cache.ask(`/objects/${origin.host}/film.mp4`)).status, 404);
  const back = await until(async () => {
    const got = await cache.ask(`/objects/${origin.host}/film.mp4`);
    return got.status === 200 ? got : null;
  }, 'the film to come back');
  assert.ok(back.body.equals(film));
  assert.equal((await cache.ask('/objects')).json.objects[0].pinned, true);
  assert.equal((await cache.ask('/prefetch')).json.jobs.length, 1, 'nobody asked for that');
  assert.equal((await cache.ask('/objects/own')).status, 404, 'nobody knows where that is from');
});

test('row 46: clearing everything ends what is being fetched', async (t) => {
  let answer;
  const { cache, origin } = await stage(t, (request, response) => {
    if (request.url === '/late') answer = response;
    else response.end('a');
  });
  const job = await start(cache, { urls: [`${origin.url}/late`, `${origin.url}/a`] });
  await until(() => answer, 'the question');
  assert.equal((await cache.ask('/objects', { method: 'DELETE' })).status, 204);
  answer.end('too late');
  assert.equal((await cache.ask(job.path)).status, 404);
  // Something else that ends later: by then the late one would have been stored.
  await over(cache, await start(cache, { urls: [`${origin.url}/b`] }));
  assert.deepEqual((await cache.ask('/objects')).json.objects.map((one) => one.name), [`${origin.host}/b`]);
  assert.equal(readdirSync(join(cache.state, 'incoming')).length, 0);
});

test('row 46: through the device: a page watches its job as it goes', async (t) => {
  const held = [];
  const { house, cache, origin } = await stage(t, (request, response) => {
    if (request.url === '/b') held.push(response);
    else response.end('a');
  });
  const device = await Device.start(house, { upstream: cache.url });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  const body = Buffer.from(JSON.stringify({ urls: [`${origin.url}/a`, `${origin.url}/b`] }));
  const made = await grant.fetch('/prefetch', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  assert.equal(made.status, 202, made.body.toString());
  const job = JSON.parse(made.body);
  await until(() => held.length > 0, 'the second file to be asked for');
  const watching = grant.fetch(`${job.path}/events`);
  held[0].end('b');
  const told = await watching;
  assert.equal(told.headers['content-type'], 'text/event-stream');
  const text = told.body.toString();
  assert.equal([...text.matchAll(/^event: object$/gm)].length, 2);
  assert.match(text, /event: end\ndata: \{.*"state":"done"/);
});
