// A client that speaks HTTP/1.1 or 1.0: one request at a time on its connection.
#pragma once

#include "device/caller.h"
#include "front/pace.h"
#include "net/http_stream.h"

namespace latchkey::device {

class Http1Caller final : public Caller {
 public:
  // Of what nobody wanted, at most this much is read away so that the connection can go on.
  static constexpr std::size_t kMaxDrain = 65536;

  // The head has been read. All outlive this.
  Http1Caller(net::HttpStream& http, net::ByteStream& stream, const Timeouts& timeouts);

  [[nodiscard]] bool body_done() const override { return http_.message().done(); }
  [[nodiscard]] std::optional<std::uint64_t> body_length() const override;
  net::Task<net::Result<ByteSpan>> read_body() override;
  net::Task<net::Result<void>> send_continue() override;
  net::Task<void> skip_body() override;
  net::Task<net::Result<void>> write_head(wire::HttpResponseHead head,
                                          std::optional<std::uint64_t> length) override;
  net::Task<net::Result<void>> write_piece(ByteSpan piece) override;
  net::Task<net::Result<void>> finish() override;
  net::Task<net::Result<void>> write_whole(wire::HttpResponseHead head, std::string_view body,
                                           bool with_body) override;
  void distrust() override { keep_ = false; }
  void end_connection() override { keep_ = false; }
  void close() override { stream_.close(); }
  [[nodiscard]] bool is_open() const override { return stream_.is_open(); }
  net::Task<void> gone() override;
  [[nodiscard]] bool notices_by_itself() const override { return false; }
  net::ByteStream* tunnel() override { return &stream_; }
  Bytes take_rest() override { return http_.take_rest(); }
  [[nodiscard]] std::string_view protocol() const override {
    return http_.message().request_head().minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
  }

  // Whether the answer is whole and a next request may begin on the connection.
  [[nodiscard]] bool reusable() const { return finished_ && keep_ && body_done(); }

 private:
  // Settles the framing and whether the connection goes on, and says so in the head, which it
  // writes to `out`.
  void frame(wire::HttpResponseHead head, std::optional<std::uint64_t> length, std::string& out);
  net::HttpStream& http_;
  net::ByteStream& stream_;
  const Timeouts& timeouts_;
  net::Result<void> noted(net::Result<void> written);
  front::Pace pace_;
  bool keep_;
  bool head_only_;
  bool chunked_ = false;
  bool finished_ = false;
  std::optional<std::uint64_t> left_;  // of a body of known length
};

}  // namespace latchkey::device
