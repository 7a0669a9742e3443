// The opening handshake of WebSockets towards a service that speaks HTTP/1.1 (RFC 6455
// section 4.1), for a client whose own handshake has no key (RFC 8441).
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "wire/http_head.h"

namespace latchkey::front {

// A Sec-WebSocket-Key: 16 random bytes in base64.
std::string websocket_key(Random& random);

// Whether `answer`, a 101, is that of a service which read the key and speaks the protocol.
bool accepts_websocket(const wire::HttpResponseHead& answer, std::string_view key);

}  // namespace latchkey::front
