// A link of either role against whatever comes over the air: its bounds hold, what it received is a
// prefix of what its peer could have sent in order, and nothing follows its end.
#include <algorithm>
#include <cstdlib>

#include "gatt/link.h"

namespace {

using namespace latchkey;

struct Checked {
  explicit Checked(gatt::Role role) : link(role, gatt::SessionId{1, 2, 3, 4, 5, 6, 7, 8}) {}

  void perform(gatt::Effects effects) {
    for (const gatt::Effect& effect : effects) {
      if (ended) {
        std::abort();  // something after the end
      }
      if (const auto* sent = std::get_if<gatt::SendValue>(&effect)) {
        ++in_radio;
        if (!gatt::read_value(sent->value) || sent->value.size() > gatt::kMaxValue ||
            in_radio > gatt::kInRadio + 1) {
          std::abort();
        }
      } else if (const auto* received = std::get_if<gatt::Received>(&effect)) {
        unread += received->bytes.size();
        total += received->bytes.size();
        if (received->bytes.empty() || unread > gatt::kMaxUnread || total > gatt::kMaxStream) {
          std::abort();
        }
      } else {
        ended = true;
      }
    }
    if (link.queued() > gatt::kMaxQueued || (link.has_ended() != ended)) {
      std::abort();
    }
  }

  gatt::Link link;
  std::size_t unread = 0;
  std::size_t total = 0;
  std::size_t in_radio = 0;
  bool ended = false;
};

}  // namespace

// The first byte is the role; then steps: a kind, a length, and so many bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) {
    return 0;
  }
  Checked end((data[0] & 1U) != 0 ? gatt::Role::kCentral : gatt::Role::kPeripheral);
  ByteSpan rest(data + 1, size - 1);
  MonoTime now{0};
  while (rest.size() >= 2) {
    const unsigned kind = rest[0];
    const std::size_t length = std::min<std::size_t>(rest[1], rest.size() - 2);
    const ByteSpan body = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    switch (kind % 9) {
      case 0:
      case 1:
        end.perform(end.link.on_value(now, body));
        break;
      case 2:
        end.in_radio = 0;
        end.perform(end.link.connected(now, length * 3));
        break;
      case 3:
        end.in_radio = 0;
        end.perform(end.link.disconnected(now));
        break;
      case 4:
        end.in_radio -= end.in_radio > 0 ? 1 : 0;
        end.perform(end.link.on_value_taken(now));
        break;
      case 5:
        end.perform(end.link.send(now, Bytes(std::min(end.link.room(), length * 64), 7)));
        break;
      case 6: {
        const std::size_t read = std::min(end.unread, length * 64);
        end.unread -= read;
        end.perform(end.link.consumed(now, read));
        break;
      }
      case 7:
        now = now + std::chrono::milliseconds(length * 200);
        end.perform(end.link.on_time(now));
        break;
      default:
        end.perform(end.link.finish(now));
    }
  }
  return 0;
}
