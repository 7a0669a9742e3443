// Requests on which two readers could differ, in both versions of HTTP. What is meant to slip through asks for
// /smuggled; what is around it for /outer.

/** Whole requests of HTTP/1.1, as bytes in latin1. All are to be refused. */
export function ambiguous1(grant) {
  const base = `Host: ${grant.host}\r\nOrigin: ${grant.origin}\r\nCookie: ${grant.cookie}\r\n`;
  const inner = `GET /smuggled HTTP/1.1\r\n${base}\r\n`;
  const post = (lines, body, start = 'POST /outer HTTP/1.1') => `${start}\r\n${base}${lines}\r\n${body}`;
  const chunk = (size, rest) => post('Transfer-Encoding: chunked\r\n', `${size}\r\n${rest}`);
  const attacks = {
    'CL and TE': post(`Content-Length: ${inner.length + 5}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${inner}`),
    'TE and CL': post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${inner}`),
    'two CL': post('Content-Length: 0\r\nContent-Length: 5\r\n', inner),
    'two equal CL': post('Content-Length: 5\r\nContent-Length: 5\r\n', `abcde${inner}`),
    'a list of CL': post('Content-Length: 0, 5\r\n', inner),
    'a signed CL': post('Content-Length: +0\r\n', inner),
    'a negative CL': post('Content-Length: -1\r\n', inner),
    'a hexadecimal CL': post('Content-Length: 0x0\r\n', inner),
    'a CL beyond 64 bits': post('Content-Length: 18446744073709551616\r\n', inner),
    'an empty CL': post('Content-Length: \r\n', inner),
    'another coding': post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${inner}`),
    'two codings': post('Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${inner}`),
    'chunked, then identity': post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${inner}`),
    'two TE': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${inner}`),
    'TE with HTTP/1.0': post('Transfer-Encoding: chunked\r\n', `0\r\n\r\n${inner}`, 'POST /outer HTTP/1.0'),
    'a blank before the colon': post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${inner}`),
    'a vertical tab': post('Transfer-Encoding:\vchunked\r\n', `0\r\n\r\n${inner}`),
    'a zero byte': post('X: a\0b\r\n', inner),
    'a bare LF': post(`X: a\nContent-Length: ${inner.length}\r\n`, inner),
    'a bare CR': post('X: a\rTransfer-Encoding: chunked\r\n', inner),
    'a head that ends in LF LF': `POST /outer HTTP/1.1\n${base.replaceAll('\r\n', '\n')}Content-Length: 0\n\n${inner}`,
    'a folded line': post('X: a\r\n Content-Length: 0\r\n', inner),
    'a line without a colon': post('Content-Length\r\n', inner),
    'a blank name': post(': x\r\n', inner),
    'a name with a blank': post('Content Length: 3\r\n', inner),
    'two Host': post(`Host: evil.example\r\nContent-Length: 0\r\n`, inner),
    'no Host': `GET /outer HTTP/1.1\r\nOrigin: ${grant.origin}\r\nCookie: ${grant.cookie}\r\n\r\n`,
    'a signed chunk': chunk('+0', `\r\n${inner}`),
    'a hexadecimal prefix': chunk('0x0', `\r\n${inner}`),
    'a chunk beyond 64 bits': chunk('10000000000000000', `x\r\n0\r\n\r\n${inner}`),
    'a chunk size of nothing': chunk('', `0\r\n\r\n${inner}`),
    'a negative chunk': chunk('-1', `\r\n${inner}`),
    'a chunk without an end': chunk('1', `ab\r\n0\r\n\r\n${inner}`),
    'LF inside a chunk extension': post('Transfer-Encoding: chunked\r\n', `1;a\nb\r\nx\r\n0\r\n\r\n${inner}`),
    'a chunk line that ends in LF': post('Transfer-Encoding: chunked\r\n', `1\nx\r\n0\r\n\r\n${inner}`),
    'a chunk extension without end': post('Transfer-Encoding: chunked\r\n', `1;${'a'.repeat(70000)}`),
    'a blank in the target': `GET /outer x HTTP/1.1\r\n${base}\r\n`,
    'HTTP/0.9': 'GET /outer\r\n\r\n',
    'HTTP/1.2': `GET /outer HTTP/1.2\r\n${base}\r\n`,
    'HTTP/2 in plain': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a method of symbols': `G(E)T /outer HTTP/1.1\r\n${base}\r\n`,
    'a fragment': `GET /outer#x HTTP/1.1\r\n${base}\r\n`,
    'bytes over 7f in the target': `GET /outer\u00ff HTTP/1.1\r\n${base}\r\n`,
    CONNECT: `CONNECT evil.example:443 HTTP/1.1\r\n${base}\r\n`,
    TRACE: `TRACE /outer HTTP/1.1\r\n${base}\r\n`,
    '101 fields': post('X: y\r\n'.repeat(101), ''),
    'a head of 17 KiB': post(`X: ${'a'.repeat(17000)}\r\n`, ''),
  };
  return { base, inner, post, attacks };
}

/**
 * Of HTTP/2: `heads` are [changes, more] for Raw.fields(), `lengths` are [content-length, body]. All are to be refused.
 */
export function ambiguous2(grant) {
  const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  const heads = {
    'a transfer coding': [{}, [['transfer-encoding', 'chunked']]],
    'a connection field': [{}, [['connection', 'content-length']]],
    'keep-alive': [{}, [['keep-alive', 'timeout=5']]],
    upgrade: [{}, [['upgrade', 'websocket']]],
    'proxy-connection': [{}, [['proxy-connection', 'keep-alive']]],
    'te: gzip': [{}, [['te', 'gzip']]],
    'CR LF in a value': [{}, [['x', `a\r\nContent-Length: 0\r\n\r\n${inner}`]]],
    'LF in a value': [{}, [['x', 'a\ntransfer-encoding: chunked']]],
    'CR in a value': [{}, [['x', 'a\rb']]],
    'NUL in a value': [{}, [['x', 'a\0b']]],
    'a blank before a value': [{}, [['x', ' a']]],
    'a colon in a name': [{}, [['x: y', 'a']]],
    'CR LF in a name': [{}, [['x\r\ntransfer-encoding', 'chunked']]],
    'a blank in a name': [{}, [['transfer-encoding ', 'chunked']]],
    'a capital in a name': [{}, [['Transfer-Encoding', 'chunked']]],
    'an empty name': [{}, [['', 'x']]],
    'two lengths': [{}, [['content-length', '0'], ['content-length', '5']]],
    'a signed length': [{}, [['content-length', '+5']]],
    'a list of lengths': [{}, [['content-length', '5, 5']]],
    'a blank in the path': [{ ':path': '/outer HTTP/1.1' }],
    'CR LF in the path': [{ ':path': '/outer HTTP/1.1\r\nX: y\r\n\r\nGET /smuggled' }],
    'a tab in the path': [{ ':path': '/outer\tx' }],
    'bytes over 7f in the path': [{ ':path': '/outer\xff' }],
    'an absolute path': [{ ':path': 'https://evil.example/outer' }],
    'an empty path': [{ ':path': '' }],
    'a fragment': [{ ':path': '/outer#x' }],
    'no path': [{ ':path': undefined }],
    'two paths': [{}, [[':path', '/smuggled']]],
    'CR LF in the method': [{ ':method': `GET /smuggled HTTP/1.1\r\nX: y\r\n\r\nPOST` }],
    'a blank in the method': [{ ':method': 'POST /smuggled' }],
    CONNECT: [{ ':method': 'CONNECT' }],
    'extended CONNECT': [{ ':method': 'CONNECT' }, [[':protocol', 'websocket']]],
    'a late pseudo-field': [{ ':path': undefined }, [['x', 'y'], [':path', '/smuggled']]],
    'an unknown pseudo-field': [{}, [[':x', 'y']]],
    ':status': [{ ':status': '200' }],
    'plain http': [{ ':scheme': 'http' }],
    'Host that differs': [{}, [['host', 'evil.example']]],
    'two Host': [{}, [['host', grant.host], ['host', grant.host]]],
    'neither Host nor authority': [{ ':authority': undefined }],
    'CR LF in the authority': [{ ':authority': `${grant.host}\r\nX-Latchkey-Origin: https://evil.example` }],
    'a path in the authority': [{ ':authority': `${grant.host}/x` }],
    'a person in the authority': [{ ':authority': `x@${grant.host}` }],
    'two Origin': [{}, [['origin', 'https://evil.example']]],
    'a head of 17 KiB': [{}, [['x', 'a'.repeat(17000)]]],
    '101 fields': [{}, Array.from({ length: 101 }, () => ['x', 'y'])],
  };
  const lengths = {
    'more than was promised': ['3', inner],
    'less than was promised': [String(inner.length + 10), inner],
    'nothing of what was promised': ['5', ''],
  };
  return { inner, heads, lengths };
}
