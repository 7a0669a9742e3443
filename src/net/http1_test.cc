// HTTP/1.1 heads and bodies, whole, in single bytes, and as nobody should send them.
#include "net/http1.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool done = false;
};

// Decodes a request that comes in pieces of `step` bytes.
HttpResult<Decoded> decode(std::string_view text, HttpDecoder decoder, std::size_t step) {
  Bytes buffer;
  Decoded out;
  bool head = false;
  std::size_t at = 0;
  while (!decoder.done()) {
    if (head && !buffer.empty()) {
      const auto body = decoder.read_body(buffer);
      if (!body) {
        return fail(body.error());
      }
      for (const ByteSpan piece : body->pieces) {
        out.body.append(as_text(piece));
      }
      out.consumed += body->consumed;
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(body->consumed));
      if (decoder.done()) {
        break;
      }
    } else if (!head && !buffer.empty()) {
      const auto size = decoder.read_head(buffer);
      if (!size) {
        return fail(size.error());
      }
      if (*size) {
        head = true;
        out.consumed += **size;
        buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(**size));
        continue;
      }
    }
    if (at == text.size()) {
      if (head && decoder.end_of_stream()) {
        break;
      }
      return fail(HttpError{HttpFault::kTruncated, ""});
    }
    const auto piece = text.substr(at, step);
    append(buffer, piece);
    at += piece.size();
  }
  out.done = decoder.done();
  return out;
}

HttpResult<Decoded> request(std::string_view text, std::size_t step = 1 << 20) {
  return decode(text, HttpDecoder::request(), step);
}

// Eight characters are judged at a time: what one of them is must not depend on where it stands.
TEST(Http1Test, ControlCharactersAreFoundWhereverTheyStand) {
  for (int code = 0; code < 256; ++code) {
    const char c = static_cast<char>(code);
    const bool may_stand = code == '\t' || (code >= 0x20 && code != 0x7f);
    for (std::size_t before = 0; before < 17; ++before) {
      for (const std::size_t after : {0U, 1U, 7U, 8U, 12U}) {
        const std::string value = std::string(before, 'x') + c + std::string(after, 'y');
        EXPECT_EQ(is_field_value(value), may_stand) << code << " at " << before;
        const auto head = request("GET / HTTP/1.1\r\nA: " + value + "\r\nB: c\r\n\r\n");
        EXPECT_EQ(head.has_value(), may_stand) << code << " at " << before;
      }
    }
  }
  // More than one of them in a word, the harmless one first.
  EXPECT_TRUE(is_field_value("\t\t12345\t"));
  EXPECT_FALSE(is_field_value("\t\t1234\x7f\t"));
  EXPECT_FALSE(is_field_value(std::string_view("\t12345\0", 7)));
}

TEST(Http1Test, BodiesInAnyPieces) {
  for (std::size_t step = 1; step < 40; ++step) {
    const auto length =
        request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloNEXT", step);
    ASSERT_TRUE(length) << length.error().detail;
    EXPECT_EQ(length->body, "hello");
    const auto chunked = request(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n",
        step);
    ASSERT_TRUE(chunked) << step << chunked.error().detail;
    EXPECT_EQ(chunked->body, "hello");
    EXPECT_TRUE(chunked->done);
  }
}

TEST(Http1Test, SmugglingIsRefused) {
  for (const char* text : {
           "GET / HTTP/1.1\nHost: a\n\n",
           "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\n\tX: folded\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
           "GET / HTTP/1.1\r\n: a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
           "GET / HTTP/1.1\r\nX: a\x01\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
           "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
           "GET  / HTTP/1.1\r\n\r\n",
           "GET / HTTP/2.0\r\n\r\n",
           "GET / HTTP/1.1 x\r\n\r\n",
           "GET /\r\n\r\n",
       }) {
    const auto got = request(text);
    ASSERT_FALSE(got) << text;
    EXPECT_NE(got.error().fault, HttpFault::kTruncated) << text;
    EXPECT_FALSE(request(text, 1)) << text;
  }
}

TEST(Http1Test, Threat43HeadsAreBounded) {
  const std::string big = "GET / HTTP/1.1\r\nX: " + std::string(20000, 'a');
  EXPECT_EQ(request(big).error().fault, HttpFault::kHeadTooLarge);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 101; ++i) {
    many += "X: y\r\n";
  }
  EXPECT_EQ(request(many + "\r\n").error().fault, HttpFault::kHeadTooLarge);
}

TEST(Http1Test, ResponsesEndAsTheySay) {
  const auto response = [](std::string_view text, bool to_head = false) {
    return decode(text, HttpDecoder::response(to_head), 3);
  };
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(response("HTTP/1.1 204 No Content\r\n\r\n")->body, "");
  EXPECT_EQ(response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")->body, "");
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true)->body, "");
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").error().fault,
            HttpFault::kTruncated);
  EXPECT_EQ(
      response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").error().fault,
      HttpFault::kTruncated);
}

TEST(Http1Test, Writes) {
  wire::HttpResponseHead head;
  head.status = 404;
  head.fields.add("A", "b");
  EXPECT_EQ(encode_head(head), "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n");
  EXPECT_EQ(chunk_prefix(26), "1a\r\n");
  head.fields.add("X", "a\r\nSet-Cookie: b");
  EXPECT_DEATH(encode_head(head), "CHECK failed");
}

}  // namespace
}  // namespace latchkey::net
