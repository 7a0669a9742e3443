// Heads of HTTP/2 messages (RFC 9113 section 8) turned into those of HTTP/1.1 and back, so that one
// policy judges both. What could mean something else in the other version is refused: a service
// behind must see the same one request.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "wire/http_head.h"

namespace latchkey::wire {

// Of a request, with ":method", ":scheme" and so on first, as they came. Nothing where it is no
// request that may go on: a pseudo-field that is missing, doubled, unknown or late, `:scheme` other
// than https, `:authority` and Host that differ or are both missing, names with capitals or no
// token, values with control characters or blanks around them, fields of a connection (RFC 9113
// section 8.2.2), `te` other than trailers, CONNECT but for a WebSocket, a target that is not in
// origin form, two lengths or one that is no number.
//
// In the head that comes out `:authority` is Host, cookies are one field (section 8.2.3), and the
// version says 1.1. A CONNECT with `:protocol` websocket (RFC 8441) comes out as the GET that it is
// in HTTP/1.1, with Connection and Upgrade but without a key; opens_websocket() knows it by these,
// which no other stream can have. It promises no length, since what follows is no body.
std::optional<HttpRequestHead> request_from_http2(const std::vector<HttpField>& fields);

// Whether a head of request_from_http2() is that of a WebSocket.
bool opens_websocket(const HttpRequestHead& head);

// The length that a request's head promises; nothing where it says none.
std::optional<std::uint64_t> promised_length(const HttpRequestHead& head);

// With ":status" first, names in small letters, without the fields of a connection.
std::vector<HttpField> response_to_http2(const HttpResponseHead& head);

}  // namespace latchkey::wire
