// Agent messages over a byte stream: a 4-byte length in the machine's order, then UTF-8 JSON, at
// most wire::kMaxAgentMessage. Knows nothing of what the JSON says.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "wire/frame.h"

namespace latchkey::net {

// One coroutine receives; send() may be called from anywhere on the loop's thread. Held by
// shared_ptr, because the writer keeps going for what is queued.
class JsonChannel : public std::enable_shared_from_this<JsonChannel> {
 public:
  // What may wait for a peer that does not read; beyond it the channel is closed.
  static constexpr std::size_t kMaxQueued = 4 * 1024 * 1024;
  // A message that has begun must be there in so long.
  static constexpr std::chrono::milliseconds kMessageTime = std::chrono::seconds(10);
  static constexpr std::chrono::milliseconds kStall = std::chrono::seconds(30);

  static std::shared_ptr<JsonChannel> make(Executor executor, std::unique_ptr<ByteStream> stream);
  ~JsonChannel();

  // The next message. kClosed at the end; kLimit for a length over the limit, of which nothing is
  // kept. After an error nothing more comes.
  Task<Result<std::string>> receive(Deadline deadline);
  void send(std::string_view message);
  void close();
  // Closes when what is queued has been written.
  void close_after_send();
  [[nodiscard]] bool is_open() const;

 private:
  JsonChannel(Executor executor, std::unique_ptr<ByteStream> stream);
  static Task<void> write_queued(std::shared_ptr<JsonChannel> self);

  Executor executor_;
  std::unique_ptr<ByteStream> stream_;
  wire::FrameDecoder frames_;
  std::deque<Bytes> queue_;
  std::size_t queued_ = 0;
  bool writing_ = false;
  bool closing_ = false;
};

}  // namespace latchkey::net
