// The server's half of HTTP/2: whatever a client sends after its preface, in pieces of any size,
// while whoever serves the streams reads, answers, gives up and lets go in any order.
//
// The first byte decides how the rest is cut and what is done in between; with its highest bit set
// the client's preface is left to the input.
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>

#include "base/result.h"
#include "net/http2_session.h"
#include "wire/http2_head.h"

namespace {

using latchkey::as_bytes;
using latchkey::Bytes;
using latchkey::ByteSpan;
using latchkey::net::Http2Event;
using latchkey::net::Http2Limits;
using latchkey::net::Http2Request;
using latchkey::net::Http2Session;
using latchkey::wire::HttpField;

constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kMaxFrame = 16384;

// Frames that we send are whole, no longer than anybody takes unasked, and of kinds that a server
// may send.
class SentFrames {
 public:
  void add(ByteSpan bytes) {
    latchkey::append(rest_, bytes);
    while (rest_.size() >= kFrameHead) {
      const std::size_t length = rest_[0] * 65536U + rest_[1] * 256U + rest_[2];
      const unsigned type = rest_[3];
      LATCHKEY_CHECK(length <= kMaxFrame);
      LATCHKEY_CHECK(type <= 9 && type != 5);  // no PUSH_PROMISE, no extension
      if (rest_.size() < kFrameHead + length) {
        return;
      }
      rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(kFrameHead + length));
    }
  }

 private:
  Bytes rest_;
};

bool is_plain(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// What may go on to a service behind: it must mean one request of HTTP/1.1.
void check_request(const Http2Request& request, const Http2Limits& limits) {
  LATCHKEY_CHECK(request.refused == 0 || request.refused == 400 || request.refused == 431);
  if (request.refused != 0) {
    LATCHKEY_CHECK(request.head.fields.all().empty());
    return;
  }
  const auto& head = request.head;
  LATCHKEY_CHECK(!head.method.empty() && head.method != "CONNECT");
  LATCHKEY_CHECK(head.method.find_first_of(" \t") == std::string::npos && is_plain(head.method));
  LATCHKEY_CHECK(!head.target.empty() && is_plain(head.target));
  LATCHKEY_CHECK(head.target.find_first_of(" \t#") == std::string::npos);
  LATCHKEY_CHECK(head.minor_version == 1);
  LATCHKEY_CHECK(head.fields.count("host") == 1);
  LATCHKEY_CHECK(head.fields.count("cookie") <= 1 && head.fields.count("content-length") <= 1);
  LATCHKEY_CHECK(head.fields.has("content-length") == request.length.has_value());
  LATCHKEY_CHECK(head.fields.all().size() <= limits.fields + 3);
  std::size_t bytes = 0;
  for (const HttpField& field : head.fields.all()) {
    bytes += field.name.size() + field.value.size();
    LATCHKEY_CHECK(!field.name.empty() && field.name[0] != ':' && is_plain(field.name) &&
                   is_plain(field.value));
    LATCHKEY_CHECK(field.name.find_first_of(" \t:") == std::string::npos);
    for (const char* never :
         {"transfer-encoding", "keep-alive", "proxy-connection", "http2-settings"}) {
      LATCHKEY_CHECK(field.name != never);
    }
  }
  const bool opens = latchkey::wire::opens_websocket(head);
  LATCHKEY_CHECK(!opens || (head.method == "GET" && !request.length &&
                            *head.fields.find("upgrade") == "websocket" &&
                            !head.fields.has("sec-websocket-key")));
  LATCHKEY_CHECK(head.fields.count("upgrade") == (opens ? 1U : 0U) &&
                 head.fields.count("connection") == (opens ? 1U : 0U));
  LATCHKEY_CHECK(bytes <= limits.head + 2 * limits.fields + (opens ? 33U : 0U));
  // Said again in HTTP/2 it is the same request.
  std::vector<HttpField> again{
      {":method", opens ? "CONNECT" : head.method}, {":scheme", "https"}, {":path", head.target}};
  if (opens) {
    again.push_back({":protocol", "websocket"});
  }
  for (const HttpField& field : head.fields.all()) {
    if (field.name != "connection" && field.name != "upgrade") {
      again.push_back(field);
    }
  }
  const auto same = latchkey::wire::request_from_http2(again);
  LATCHKEY_CHECK(same && same->method == head.method && same->target == head.target);
  LATCHKEY_CHECK(same->fields.all().size() == head.fields.all().size());
}

// Whoever serves the streams, in the order of a caller that keeps the rules of http2_session.h.
class Service {
 public:
  Service(Http2Session& session, const Http2Limits& limits, std::uint8_t seed)
      : session_(session), limits_(limits), dice_(seed) {}

  std::uint32_t roll(std::uint32_t sides) { return dice_() % sides; }

  void hear() {
    for (const Http2Event& event : session_.take_events()) {
      if (event.kind == Http2Event::Kind::kRequest) {
        LATCHKEY_CHECK(seen_.insert(event.stream).second);
        LATCHKEY_CHECK(event.stream % 2 == 1);
        check_request(session_.request(event.stream), limits_);
        open_[event.stream];
      } else if (event.kind == Http2Event::Kind::kEnded && open_.contains(event.stream)) {
        LATCHKEY_CHECK(session_.ended(event.stream));
      }
    }
    LATCHKEY_CHECK(session_.streams() <= limits_.streams);
    std::size_t waiting = 0;
    for (const auto& [id, state] : open_) {
      const std::size_t here = session_.body_waiting(id);
      LATCHKEY_CHECK(here <= limits_.body);
      waiting += here;
    }
    LATCHKEY_CHECK(waiting <= limits_.bodies);
  }

  void act() {
    if (open_.empty()) {
      return;
    }
    auto at = open_.begin();
    std::advance(at, roll(static_cast<std::uint32_t>(open_.size())));
    act_on(at->first, at->second);
  }

  void let_go() {
    for (const auto& [id, state] : open_) {
      session_.release(id);
    }
    open_.clear();
  }

 private:
  struct Stream {
    bool answered = false;
    bool over = false;                  // nothing more may be offered
    std::optional<std::uint64_t> left;  // of what was promised
  };

  void act_on(std::int32_t id, Stream& stream) {
    switch (roll(12)) {
      case 0:
      case 1: {
        const Bytes body = session_.take_body(id);
        session_.consume(id, body.size());
        break;
      }
      case 2:
        session_.discard_body(id);
        break;
      case 3:
        if (!stream.answered) {
          session_.send_continue(id);
        }
        break;
      case 4:
      case 5:
        if (!stream.answered) {
          answer(id, stream);
        }
        break;
      case 6:
      case 7:
        offer(id, stream);
        break;
      case 8:
        if (stream.answered && !stream.left && !stream.over) {
          session_.end_body(id);
          stream.over = true;
        }
        break;
      case 9:
        session_.withdraw(id);
        break;
      case 10:
        if (roll(4) == 0) {
          session_.reset(id, latchkey::net::Http2Reason::kCancel);
        } else if (roll(32) == 0) {
          session_.drain();
        } else if (roll(32) == 0) {
          session_.reset_others(id);
        }
        break;
      default:
        session_.release(id);
        open_.erase(id);
    }
  }

  void answer(std::int32_t id, Stream& stream) {
    latchkey::wire::HttpResponseHead head;
    head.status = roll(2) == 0 ? 200 : 404;
    head.fields.add("Content-Type", "text/plain");
    head.fields.add("Connection", "close");
    head.fields.add("Set-Cookie", "a=b");
    if (roll(2) == 0) {
      stream.left = roll(4) == 0 ? 0 : roll(70000);
    }
    session_.respond(id, head, stream.left);
    stream.answered = true;
    stream.over = stream.left == 0U;
  }

  void offer(std::int32_t id, Stream& stream) {
    if (!stream.answered || stream.over || session_.offered(id) > 0) {
      return;
    }
    const std::uint64_t size =
        std::min<std::uint64_t>(1 + roll(40000), stream.left.value_or(40000));
    session_.offer(id, ByteSpan(filler_).first(static_cast<std::size_t>(size)));
    if (stream.left) {
      *stream.left -= size;
      stream.over = *stream.left == 0;
    }
  }

  Http2Session& session_;
  const Http2Limits& limits_;
  std::minstd_rand dice_;
  std::map<std::int32_t, Stream> open_;
  std::set<std::int32_t> seen_;
  const Bytes filler_ = Bytes(40000, '.');
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  Http2Limits limits;
  limits.streams = 8;
  limits.head = 2000;
  limits.fields = 20;
  limits.body = 65535;
  limits.bodies = 100000;
  limits.bad_ends = 10;
  limits.idle_frames = 50;
  Http2Session session(limits);
  Service service(session, limits, data[0]);
  SentFrames sent;
  bool good = true;
  if ((data[0] & 0x80U) == 0) {
    constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    good = session.receive(as_bytes(kPreface));
    LATCHKEY_CHECK(good);
  }
  ByteSpan rest(data + 1, size - 1);
  while (good && !rest.empty() && session.alive()) {
    const std::size_t piece =
        std::min<std::size_t>(rest.size(), 1 + service.roll(service.roll(3) == 0 ? 8 : 2000));
    good = session.receive(rest.first(piece));
    rest = rest.subspan(piece);
    service.hear();
    for (std::uint32_t i = service.roll(4); i > 0; --i) {
      service.act();
    }
    Bytes out;
    session.next_output(out, 1 + service.roll(50000));
    sent.add(out);
    service.hear();
  }
  service.let_go();
  Bytes out;
  session.next_output(out, 1'000'000);
  sent.add(out);
  return 0;
}
