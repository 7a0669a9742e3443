// The server's half of one HTTP/2 connection (RFC 9113) without sockets: bytes in, events and bytes
// out. Frames, HPACK and flow control are libnghttp2's; what is here are the limits, the heads as
// values, and bodies that wait until somebody wants them.
//
// WebSockets are streams like others (RFC 8441). Nothing is pushed, and priorities are not kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/http_head.h"

namespace latchkey::net {

struct Http2Limits {
  // At once; a stream counts until whoever serves it has let go of it, not only until it is reset.
  std::size_t streams = 100;
  std::size_t head = 16384;     // bytes of names and values of one request
  std::size_t fields = 100;     // of one request
  std::size_t body = 262144;    // of one request that waits here (the stream's window)
  std::size_t bodies = 524288;  // of all of them (the connection's window)
  // Streams that ended badly, above one for each that ended well; and frames that move nothing
  // forward (PING, SETTINGS, PRIORITY, empty DATA), above twenty for each request. Then no more
  // streams are taken; at twice as many the connection ends.
  std::size_t bad_ends = 200;
  std::size_t idle_frames = 1000;
};

// The client's word for why a stream ends (RFC 9113 section 7), as far as we say it.
enum class Http2Reason : std::uint32_t { kNone = 0, kInternal = 2, kCancel = 8 };

struct Http2Request {
  wire::HttpRequestHead head;
  int refused = 0;  // 400 or 431: no head, only this to answer with
  // What the client promises; nothing: unknown until the end of the body.
  std::optional<std::uint64_t> length;
};

struct Http2Event {
  enum class Kind {
    kRequest,   // a head is there: request()
    kBody,      // more of a body, or its end
    kWritable,  // what was offered has been taken
    kEnded,     // the stream is over; nothing more can be sent on it
  };
  Kind kind;
  std::int32_t stream;
};

class Http2Session {
 public:
  explicit Http2Session(const Http2Limits& limits);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // False: what came is no HTTP/2 and the connection ends, after what next_output() still has.
  bool receive(ByteSpan bytes);
  // What has happened since the last call.
  std::vector<Http2Event> take_events();
  // Appends to `out` until that has `most` bytes or a little more, or there is nothing to send.
  void next_output(Bytes& out, std::size_t most);
  // Whether anything can still come or go.
  [[nodiscard]] bool alive() const;
  // Whether the client's first SETTINGS have come, and whether a head has begun and is not whole.
  [[nodiscard]] bool greeted() const;
  [[nodiscard]] bool in_head() const;
  // Streams that were announced and not released.
  [[nodiscard]] std::size_t streams() const;

  // No new streams; those that are open go on (RFC 9113 section 6.8).
  void drain();
  // Resets all streams but one.
  void reset_others(std::int32_t stream);

  // --- one stream; calls for one that is over do nothing ---
  [[nodiscard]] const Http2Request& request(std::int32_t stream) const;
  // What has come of the body, moved out; it counts against the windows until consume().
  Bytes take_body(std::int32_t stream);
  void consume(std::int32_t stream, std::size_t bytes);
  void discard_body(std::int32_t stream);
  // Whether the body's end has come, and nothing of it waits.
  [[nodiscard]] bool body_done(std::int32_t stream) const;
  [[nodiscard]] std::size_t body_waiting(std::int32_t stream) const;
  [[nodiscard]] bool body_ended(std::int32_t stream) const;
  void send_continue(std::int32_t stream);
  // `length`: of the body that will be offered; nothing: until end_body(). 0 ends the answer.
  void respond(std::int32_t stream, const wire::HttpResponseHead& head,
               std::optional<std::uint64_t> length);
  // The bytes are the caller's until kWritable, or withdraw(). One offer at a time.
  void offer(std::int32_t stream, ByteSpan bytes);
  [[nodiscard]] std::size_t offered(std::int32_t stream) const;  // what is left of it
  void withdraw(std::int32_t stream);
  void end_body(std::int32_t stream);
  void reset(std::int32_t stream, Http2Reason reason);
  // Whether it is over, and whether its answer was whole by then.
  [[nodiscard]] bool ended(std::int32_t stream) const;
  [[nodiscard]] bool answered(std::int32_t stream) const;
  // Whoever serves it is done; one that is not answered to its end is reset. Once for each
  // kRequest; the stream is not to be named after it.
  void release(std::int32_t stream);

  struct Machine;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace latchkey::net
