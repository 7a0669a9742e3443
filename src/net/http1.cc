#include "net/http1.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <cstring>

namespace latchkey::net {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

namespace {

std::string_view view(BeastView text) {
  return {text.data(), text.size()};
}

constexpr std::size_t kUsualFields = 16;

constexpr std::array<bool, 256> make_token_chars() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kTokenChars = make_token_chars();

bool is_token_char(char c) {
  return kTokenChars[static_cast<unsigned char>(c)];
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// Where the next control character is from `at` on, or text.size(). Heads have few of them and are
// looked through more than once, so eight characters are judged at a time: a byte of `low` is set
// where its character may be under 0x20, of `del` where it may be 0x7f. "May": a borrow can set a
// bit above a true one, so that a word is only ever skipped when it has none.
std::size_t next_control(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  while (at + sizeof(std::uint64_t) <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t low = (word - kOnes * 0x20) & ~word;
    const std::uint64_t flipped = word ^ (kOnes * 0x7f);
    const std::uint64_t del = (flipped - kOnes) & ~flipped;
    if (((low | del) & kHigh) != 0) {
      break;
    }
    at += sizeof word;
  }
  // In a word that has one it is near; in the others and in the last few characters each is asked.
  while (at < text.size() && !is_control(text[at])) {
    ++at;
  }
  return at;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

HttpError malformed(std::string detail) {
  return {HttpFault::kMalformed, std::move(detail)};
}

// Everything up to and including the empty line, once it is there.
HttpResult<std::optional<std::size_t>> find_head(ByteSpan buffered) {
  const std::string_view text = as_text(buffered);
  const std::size_t end = text.find("\r\n\r\n");
  const std::size_t size = end == std::string_view::npos ? text.size() : end + 4;
  if (size > kMaxHttpHead) {
    return fail(HttpError{HttpFault::kHeadTooLarge, "head over 16 KiB"});
  }
  // What cannot become right is refused at once, not when the rest has come.
  const std::string_view head = text.substr(0, size);
  for (std::size_t i = next_control(head, 0); i < size; i = next_control(head, i + 1)) {
    const char c = text[i];
    const bool ends_line = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    const bool may_end_line = c == '\r' && i + 1 == text.size();
    if (c == '\n' && (i == 0 || text[i - 1] != '\r')) {
      return fail(malformed("a line that ends without CR"));
    }
    if (c == '\r' && !ends_line && !may_end_line) {
      return fail(malformed("CR inside a line"));
    }
    if (c != '\t' && c != '\r' && c != '\n') {
      return fail(malformed("a control character in the head"));
    }
  }
  if (end == std::string_view::npos) {
    return std::optional<std::size_t>{};
  }
  return std::optional<std::size_t>(size);
}

// The field lines' own rules, which Beast is more patient about.
HttpResult<void> check_lines(std::string_view head) {
  std::size_t at = head.find("\r\n") + 2;
  std::size_t fields = 0;
  while (at < head.size()) {
    const std::size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    at = end + 2;
    if (line.empty()) {
      break;
    }
    if (++fields > kMaxHttpFields) {
      return fail(HttpError{HttpFault::kHeadTooLarge, "over 100 fields"});
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return fail(malformed("a field without a proper name, or a folded one"));
    }
  }
  return {};
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

HttpResult<void> check_framing(const wire::HttpFields& fields, int minor_version) {
  const std::size_t lengths = fields.count("Content-Length");
  const std::size_t codings = fields.count("Transfer-Encoding");
  if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) {
    return fail(HttpError{HttpFault::kFraming, "more than one word on where the body ends"});
  }
  if (lengths == 1 && !is_decimal(*fields.find("Content-Length"))) {
    return fail(HttpError{HttpFault::kFraming, "a length that is not a number"});
  }
  if (codings == 1 &&
      (minor_version == 0 || !wire::iequals(*fields.find("Transfer-Encoding"), "chunked"))) {
    return fail(HttpError{HttpFault::kFraming, "a transfer coding other than chunked"});
  }
  return {};
}

HttpError from_beast(const error_code& error) {
  if (error == http::error::bad_version) {
    return {HttpFault::kVersion, error.message()};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {HttpFault::kHeadTooLarge, error.message()};
  }
  if (error == http::error::bad_content_length || error == http::error::bad_transfer_encoding ||
      error == http::error::multiple_content_length) {
    return {HttpFault::kFraming, error.message()};
  }
  return malformed(error.message());
}

}  // namespace

struct HttpDecoder::Parser {
  virtual ~Parser() = default;
  virtual std::size_t put(ByteSpan bytes, error_code& error) = 0;
  virtual void put_eof(error_code& error) = 0;
  [[nodiscard]] virtual bool finished() const = 0;
  [[nodiscard]] virtual bool persistent() const = 0;
  [[nodiscard]] virtual BodyKind kind() const = 0;
  [[nodiscard]] virtual std::uint64_t length() const = 0;

  bool is_request = true;
  bool head_done = false;
  wire::HttpRequestHead request;
  wire::HttpResponseHead response;
  std::vector<ByteSpan> pieces;
};

namespace {

// Hands Beast's events on. Nothing is copied but the head.
template <bool IsRequest>
class Sink final : public HttpDecoder::Parser, private http::basic_parser<IsRequest> {
  using Base = http::basic_parser<IsRequest>;

 public:
  explicit Sink(bool skip_body) {
    is_request = IsRequest;
    // A browser's head has about as many: one piece of memory instead of five, each copied into the
    // next.
    (IsRequest ? request.fields : response.fields).all().reserve(kUsualFields);
    Base::header_limit(kMaxHttpHead + 1);
    Base::body_limit(boost::none);
    if (skip_body) {
      Base::skip(true);
    }
  }

  std::size_t put(ByteSpan bytes, error_code& error) override {
    Base::eager(head_done);
    return Base::put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  }
  void put_eof(error_code& error) override { Base::put_eof(error); }
  [[nodiscard]] bool finished() const override { return Base::is_done(); }
  [[nodiscard]] bool persistent() const override { return Base::keep_alive(); }
  [[nodiscard]] BodyKind kind() const override {
    if (Base::is_done()) {
      return BodyKind::kNone;
    }
    if (Base::chunked()) {
      return BodyKind::kChunked;
    }
    return Base::content_length() ? BodyKind::kLength : BodyKind::kUntilClose;
  }
  [[nodiscard]] std::uint64_t length() const override { return Base::content_length().value_or(0); }

 private:
  void on_request_impl(http::verb /*verb*/, BeastView method, BeastView target, int version,
                       error_code& /*error*/) override {
    request.method = view(method);
    request.target = view(target);
    request.minor_version = version % 10;
  }
  void on_response_impl(int status, BeastView reason, int version, error_code& /*error*/) override {
    response.status = status;
    response.reason = view(reason);
    response.minor_version = version % 10;
  }
  void on_field_impl(http::field /*field*/, BeastView name, BeastView value,
                     error_code& /*error*/) override {
    if (!head_done) {
      (IsRequest ? request.fields : response.fields).add(view(name), trim(view(value)));
    }
  }
  void on_header_impl(error_code& /*error*/) override { head_done = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         error_code& /*error*/) override {}
  std::size_t on_body_impl(BeastView body, error_code& /*error*/) override {
    pieces.push_back(as_bytes(view(body)));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, BeastView /*extensions*/,
                            error_code& /*error*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, BeastView body,
                                 error_code& /*error*/) override {
    pieces.push_back(as_bytes(view(body)));
    return body.size();
  }
  void on_finish_impl(error_code& /*error*/) override {}
};

}  // namespace

HttpDecoder::HttpDecoder(std::unique_ptr<Parser> parser) : parser_(std::move(parser)) {}
HttpDecoder::HttpDecoder(HttpDecoder&&) noexcept = default;
HttpDecoder& HttpDecoder::operator=(HttpDecoder&&) noexcept = default;
HttpDecoder::~HttpDecoder() = default;

HttpDecoder HttpDecoder::request() {
  return HttpDecoder(std::make_unique<Sink<true>>(false));
}
HttpDecoder HttpDecoder::response(bool to_head) {
  return HttpDecoder(std::make_unique<Sink<false>>(to_head));
}

HttpResult<std::optional<std::size_t>> HttpDecoder::read_head(ByteSpan buffered) {
  LATCHKEY_CHECK(!parser_->head_done);
  const auto size = find_head(buffered);
  if (!size || !*size) {
    return size;
  }
  const ByteSpan head = buffered.first(**size);
  if (const auto lines = check_lines(as_text(head)); !lines) {
    return fail(lines.error());
  }
  error_code error;
  const std::size_t used = parser_->put(head, error);
  if (error) {
    return fail(from_beast(error));
  }
  if (!parser_->head_done || used != head.size()) {
    return fail(malformed("not an HTTP head"));
  }
  const auto& fields = parser_->is_request ? parser_->request.fields : parser_->response.fields;
  const int minor =
      parser_->is_request ? parser_->request.minor_version : parser_->response.minor_version;
  if (const auto framing = check_framing(fields, minor); !framing) {
    return fail(framing.error());
  }
  return std::optional<std::size_t>(used);
}

HttpResult<BodyStep> HttpDecoder::read_body(ByteSpan buffered) {
  LATCHKEY_CHECK(parser_->head_done);
  BodyStep step;
  while (!parser_->finished() && step.consumed < buffered.size()) {
    error_code error;
    parser_->pieces.clear();
    const std::size_t used = parser_->put(buffered.subspan(step.consumed), error);
    step.consumed += used;
    step.pieces.insert(step.pieces.end(), parser_->pieces.begin(), parser_->pieces.end());
    if (error == http::error::need_more) {
      break;
    }
    if (error) {
      return fail(from_beast(error));
    }
    if (used == 0) {
      break;
    }
  }
  step.done = parser_->finished();
  return step;
}

HttpResult<void> HttpDecoder::end_of_stream() {
  error_code error;
  if (parser_->head_done && !parser_->finished()) {
    parser_->put_eof(error);
  }
  if (!parser_->head_done || error) {
    return fail(HttpError{HttpFault::kTruncated, "the message was cut off"});
  }
  return {};
}

const wire::HttpRequestHead& HttpDecoder::request_head() const {
  return parser_->request;
}
const wire::HttpResponseHead& HttpDecoder::response_head() const {
  return parser_->response;
}
BodyKind HttpDecoder::body_kind() const {
  return parser_->kind();
}
std::uint64_t HttpDecoder::content_length() const {
  return parser_->length();
}
bool HttpDecoder::done() const {
  return parser_->head_done && parser_->finished();
}
bool HttpDecoder::keep_alive() const {
  return parser_->persistent();
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view value) {
  std::size_t at = next_control(value, 0);
  while (at < value.size() && value[at] == '\t') {
    at = next_control(value, at + 1);
  }
  return at == value.size();
}

bool list_has_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    if (wire::iequals(trim(value.substr(0, comma)), token)) {
      return true;
    }
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return false;
}

std::string_view reason_of(int status) {
  return view(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status))));
}

namespace {

// One allocation for a head of usual size.
constexpr std::size_t kUsualHead = 1024;

void encode_fields(std::string& out, const wire::HttpFields& fields) {
  for (const wire::HttpField& field : fields.all()) {
    LATCHKEY_CHECK(is_token(field.name) && is_field_value(field.value));
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  out.append("\r\n");
}

}  // namespace

void encode_head(const wire::HttpRequestHead& head, std::string& out) {
  LATCHKEY_CHECK(is_token(head.method) && is_field_value(head.target) && !head.target.empty() &&
                 head.target.find_first_of(" \t") == std::string::npos);
  out.reserve(out.size() + kUsualHead);
  out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  encode_fields(out, head.fields);
}

void encode_head(const wire::HttpResponseHead& head, std::string& out) {
  LATCHKEY_CHECK(head.status >= 100 && head.status <= 999 && is_field_value(head.reason));
  out.reserve(out.size() + kUsualHead);
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ");
  out.append(head.reason.empty() ? reason_of(head.status) : std::string_view(head.reason));
  out.append("\r\n");
  encode_fields(out, head.fields);
}

std::string encode_head(const wire::HttpRequestHead& head) {
  std::string out;
  encode_head(head, out);
  return out;
}

std::string encode_head(const wire::HttpResponseHead& head) {
  std::string out;
  encode_head(head, out);
  return out;
}

std::string chunk_prefix(std::size_t size) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), kDigits[size % 16]);
    size /= 16;
  } while (size != 0);
  return out + "\r\n";
}

int status_of(const HttpError& error) {
  switch (error.fault) {
    case HttpFault::kHeadTooLarge:
      return 431;
    case HttpFault::kVersion:
      return 505;
    default:
      return 400;
  }
}

}  // namespace latchkey::net
