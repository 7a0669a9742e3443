#include "front/websocket.h"

#include "base/encoding.h"
#include "crypto/hash.h"

namespace latchkey::front {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

}  // namespace

std::string websocket_key(Random& random) {
  return base64_encode(random.bytes<16>());
}

bool accepts_websocket(const wire::HttpResponseHead& answer, std::string_view key) {
  const std::string* accept = answer.fields.find("Sec-WebSocket-Accept");
  const std::string* upgrade = answer.fields.find("Upgrade");
  const std::string proof = base64_encode(crypto::sha1(as_bytes(std::string(key).append(kGuid))));
  return answer.status == 101 && upgrade != nullptr && wire::iequals(*upgrade, "websocket") &&
         answer.fields.count("Sec-WebSocket-Accept") == 1 && *accept == proof;
}

}  // namespace latchkey::front
