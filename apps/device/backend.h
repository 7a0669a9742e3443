// What is behind the device: a plain HTTP service, or a folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "device/device.h"
#include "front/desk.h"
#include "net/http_stream.h"
#include "net/tls_stream.h"

namespace latchkey::device {

// How long things may take. Tests shorten them.
struct Timeouts {
  std::chrono::milliseconds handshake = std::chrono::seconds(10);
  std::chrono::milliseconds head = std::chrono::seconds(10);     // from its first byte
  std::chrono::milliseconds idle = std::chrono::seconds(75);     // between requests
  std::chrono::milliseconds body = std::chrono::seconds(30);     // between pieces of a body
  std::chrono::milliseconds stall = std::chrono::seconds(60);    // a peer that does not read
  std::chrono::milliseconds connect = std::chrono::seconds(3);   // to the service behind
  std::chrono::milliseconds answer = std::chrono::seconds(120);  // its head, or more of its body
  std::chrono::milliseconds tunnel = std::chrono::hours(2);      // a WebSocket that says nothing
};

// One request on its way through.
struct Exchange {
  net::HttpStream& client;  // its head has been read
  net::ByteStream& stream;  // under it
  front::Pass pass;
  std::shared_ptr<const LiveGrant> grant;
  bool http11 = true;      // the client's version
  bool keep_alive = true;  // what the client would like
};
struct Outcome {
  int status = 0;           // 0: nothing was answered
  std::uint64_t bytes = 0;  // of the body sent
  bool reusable = false;    // the client's connection is where a next request may begin
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual net::Task<Outcome> serve(Exchange exchange) = 0;
  // Whether a person who opens `/` finds something.
  [[nodiscard]] virtual bool has_root_page() const { return true; }
};

// Writes one of our own answers whole. `with_body`: not for HEAD.
net::Task<net::Result<void>> write_answer(net::HttpStream& client, front::Answer answer,
                                          bool with_body, bool keep_alive,
                                          std::chrono::milliseconds stall);
// Reads away what is left of a request's body, if it is little. Whether the connection can go on.
net::Task<bool> drain(net::HttpStream& client, const Timeouts& timeouts);
// An error on the way to the service, dressed for the grant.
net::Task<Outcome> answer_error(Exchange& exchange, int status, std::string code,
                                const Timeouts& timeouts);

}  // namespace latchkey::device
