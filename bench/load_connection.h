// One TLS 1.3 connection of the load client: connects, shakes hands, asks and reads answers, never
// blocking. It measures; what is wrong with an answer ends the program.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"

namespace latchkey::bench {

// What all connections of a run share.
struct Load {
  enum class Mode {
    kHandshakes,  // shake hands, take leave, once the other side has too begin again
    kRequests,    // one request after the other on each connection
    kIdle,        // one request, then hold still
    kFirst,       // one request, as soon as somebody listens
  };
  Mode mode = Mode::kRequests;
  sockaddr_in to{};
  std::string sni;
  std::string head;                   // of each request, without "Range" and the empty line
  std::uint64_t ranges_of = 0;        // size of an object that pieces are asked of; 0: the whole
  std::uint64_t range = 0;            // bytes of such a piece
  std::optional<std::uint64_t> body;  // how long each answer's body must be
  SSL_CTX* tls = nullptr;
  int poll = -1;

  // Counted since the measuring began.
  Histogram latency;
  std::uint64_t done = 0;  // handshakes or answers
  std::uint64_t bytes = 0;
  std::uint64_t settled = 0;  // connections that hold still, with their answer
  std::string cipher;
  std::minstd_rand random{1};
  std::vector<unsigned char> buffer = std::vector<unsigned char>(64 * 1024);
};

std::uint64_t now_ns();

class Connection {
 public:
  explicit Connection(Load& load) : load_(load) {}
  ~Connection() { drop(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void begin();
  [[nodiscard]] bool has_begun() const { return fd_ >= 0; }
  // The socket may be read or written.
  void proceed();

 private:
  enum class State { kConnecting, kShaking, kReading, kLeaving, kHolding };
  void shake();
  void shaken();
  void ask();
  void read();
  // Bytes of an answer, in order.
  void take(std::string_view bytes);
  void take_head();
  void answered();
  void leave();
  void drop();

  Load& load_;
  State state_ = State::kConnecting;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  std::uint64_t began_ = 0;
  std::string head_;
  std::uint64_t left_ = 0;  // of the body
  bool in_body_ = false;
};

}  // namespace latchkey::bench
