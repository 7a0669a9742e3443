// A real client's half, libnghttp2's, against ours, over two byte strings.
#include "net/http2_session.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <map>

namespace latchkey::net {
namespace {

using Kind = Http2Event::Kind;
using Fields = std::vector<wire::HttpField>;

class Client {
 public:
  struct Answer {
    std::map<std::string, std::string> fields;
    std::string body;
    bool closed = false;
    std::uint32_t code = 0;
  };
  explicit Client(bool reads_by_itself = true) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) {
          static_cast<Client*>(user)
              ->answers[frame->hd.stream_id]
              .fields[{reinterpret_cast<const char*>(name), name_size}] = {
              reinterpret_cast<const char*>(value), value_size};
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                      std::size_t size, void* user) {
          static_cast<Client*>(user)->answers[id].body.append(reinterpret_cast<const char*>(data),
                                                              size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
          auto& answer = static_cast<Client*>(user)->answers[id];
          answer.closed = true;
          answer.code = code;
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          if (frame->hd.type == NGHTTP2_GOAWAY) {
            static_cast<Client*>(user)->goaway = frame->goaway.error_code;
          }
          return 0;
        });
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, reads_by_itself ? 0 : 1);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_client_new2(&session, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Client() { nghttp2_session_del(session); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `body`: nothing: the request ends with its head; what is in it is sent, and not the end.
  std::int32_t request(Fields fields = {}, std::string* body = nullptr) {
    Fields all{{":method", body == nullptr ? "GET" : "POST"},
               {":scheme", "https"},
               {":authority", "a.local"},
               {":path", "/"}};
    all.insert(all.end(), fields.begin(), fields.end());
    return raw_request(all, body);
  }
  std::int32_t raw_request(const Fields& all, std::string* body = nullptr) {
    std::vector<nghttp2_nv> pairs;
    for (const auto& field : all) {
      pairs.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.name.data())),
                       reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.value.data())),
                       field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NO_INDEX});
    }
    nghttp2_data_provider provider{};
    provider.source.ptr = body;
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t size,
                                std::uint32_t* flags, nghttp2_data_source* source,
                                void*) -> ssize_t {
      auto& text = *static_cast<std::string*>(source->ptr);
      if (text == "END") {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
      }
      if (text.empty()) {
        return NGHTTP2_ERR_DEFERRED;
      }
      const std::size_t part = std::min(size, text.size());
      std::copy_n(text.begin(), part, to);
      text.erase(0, part);
      return static_cast<ssize_t>(part);
    };
    return nghttp2_submit_request(session, nullptr, pairs.data(), pairs.size(),
                                  body == nullptr ? nullptr : &provider, nullptr);
  }

  nghttp2_session* session = nullptr;
  std::map<std::int32_t, Answer> answers;
  std::optional<std::uint32_t> goaway;
};

struct Http2SessionTest : testing::Test {
  // What each has to say reaches the other, until both are silent. What our side was told.
  std::vector<Http2Event> talk() {
    std::vector<Http2Event> events;
    for (bool silent = false; !silent;) {
      const std::uint8_t* data = nullptr;
      ssize_t size = 0;
      silent = true;
      while ((size = nghttp2_session_mem_send(client.session, &data)) > 0) {
        silent = false;
        alive = ours.receive(ByteSpan(data, static_cast<std::size_t>(size))) && alive;
      }
      Bytes out;
      ours.next_output(out, 1 << 20);
      if (!out.empty()) {
        silent = false;
        nghttp2_session_mem_recv(client.session, out.data(), out.size());
      }
      const auto more = ours.take_events();
      events.insert(events.end(), more.begin(), more.end());
    }
    return events;
  }
  static std::size_t count(const std::vector<Http2Event>& events, Kind kind) {
    return static_cast<std::size_t>(std::count_if(
        events.begin(), events.end(), [kind](const auto& event) { return event.kind == kind; }));
  }
  // Bytes of a client that has no library, after the preface and empty SETTINGS.
  bool raw(std::string_view frames) {
    if (!raw_begun_) {
      raw_begun_ = true;
      EXPECT_TRUE(ours.receive(as_bytes(std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))));
      EXPECT_TRUE(ours.receive(as_bytes(std::string_view("\0\0\0\4\0\0\0\0\0", 9))));
    }
    const bool good = ours.receive(as_bytes(frames));
    sent.clear();
    ours.next_output(sent, 1 << 22);
    return good && ours.alive();
  }
  static std::string frame(char type, char flags, std::int32_t stream, std::string_view payload) {
    std::string out;
    for (const int shift : {16, 8, 0}) {
      out.push_back(static_cast<char>(payload.size() >> shift));
    }
    out.append({type, flags});
    for (const int shift : {24, 16, 8, 0}) {
      out.push_back(static_cast<char>(stream >> shift));
    }
    return out.append(payload);
  }

  Http2Limits limits = {.streams = 4,
                        .head = 2000,
                        .fields = 20,
                        .body = 70000,
                        .bodies = 100000,
                        .bad_ends = 10,
                        .idle_frames = 50};
  Http2Session ours{limits};
  Client client;
  Bytes sent;
  bool alive = true;

 private:
  bool raw_begun_ = false;
};

TEST_F(Http2SessionTest, ARequestIsAnsweredAndStreamsRunSideBySide) {
  const auto one = client.request({{"x", "1"}});
  const auto two = client.request();
  EXPECT_EQ(count(talk(), Kind::kRequest), 2U);
  EXPECT_EQ(*ours.request(one).head.fields.find("X"), "1");
  EXPECT_TRUE(ours.body_done(one));
  wire::HttpResponseHead head;
  head.fields.add("Content-Length", "5");
  ours.respond(two, head, 5);
  ours.respond(one, head, std::nullopt);
  const std::string text = "hello";
  ours.offer(two, as_bytes(text));
  ours.offer(one, as_bytes(text));
  EXPECT_EQ(count(talk(), Kind::kWritable), 2U);
  EXPECT_TRUE(client.answers[two].closed);
  EXPECT_FALSE(client.answers[one].closed) << "its end was not said";
  ours.end_body(one);
  talk();
  EXPECT_TRUE(client.answers[one].closed);
  EXPECT_EQ(client.answers[one].body, text);
  EXPECT_EQ(client.answers[one].fields[":status"], "200");
  ours.release(one);
  ours.release(two);
  EXPECT_EQ(ours.streams(), 0U);
}

TEST_F(Http2SessionTest, AnEndThatWasSaidIsSentAfterTheRelease) {
  const auto id = client.request();
  talk();
  ours.respond(id, {}, std::nullopt);
  ours.end_body(id);
  ours.release(id);
  talk();
  EXPECT_TRUE(client.answers[id].closed);
  EXPECT_EQ(client.answers[id].code, 0U);
  EXPECT_EQ(ours.streams(), 0U);
}

TEST_F(Http2SessionTest, WhatIsReleasedBeforeItsEndIsReset) {
  const auto id = client.request();
  talk();
  ours.respond(id, {}, 10);
  const std::string text = "hello";
  ours.offer(id, as_bytes(text));
  talk();
  ours.release(id);
  talk();
  EXPECT_EQ(client.answers[id].body, "hello");
  EXPECT_EQ(client.answers[id].code, static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR));
}

TEST_F(Http2SessionTest, ABodyWaitsUntilItIsConsumed) {
  std::string body(300'000, 'b');
  const auto id = client.request({}, &body);
  talk();
  EXPECT_EQ(ours.body_waiting(id), limits.body) << "no more than the window";
  std::size_t got = 0;
  while (got < 300'000) {
    const Bytes piece = ours.take_body(id);
    ASSERT_FALSE(piece.empty());
    EXPECT_LE(piece.size(), limits.body);
    talk();
    EXPECT_EQ(ours.body_waiting(id), 0U) << "nothing comes before that is used up";
    got += piece.size();
    ours.consume(id, piece.size());
    talk();
  }
  EXPECT_FALSE(ours.body_done(id));
  body = "END";
  nghttp2_session_resume_data(client.session, id);
  talk();
  EXPECT_TRUE(ours.body_done(id));
}

TEST_F(Http2SessionTest, WhatAllBodiesHoldTogetherIsBounded) {
  std::string bodies[2] = {std::string(90'000, 'a'), std::string(90'000, 'b')};
  const auto one = client.request({}, &bodies[0]);
  const auto two = client.request({}, &bodies[1]);
  talk();
  EXPECT_LE(ours.body_waiting(one) + ours.body_waiting(two), limits.bodies);
  // A reset gives back what it held, or the connection would starve.
  ours.reset(one, Http2Reason::kCancel);
  ours.release(one);
  std::size_t got = 0;
  for (int turn = 0; turn < 10; ++turn) {
    talk();
    const Bytes piece = ours.take_body(two);
    ours.consume(two, piece.size());
    got += piece.size();
  }
  EXPECT_EQ(got, 90'000U);
}

TEST_F(Http2SessionTest, AnUnwantedBodyDoesNotStopAnAnswer) {
  std::string body(1'000'000, 'b');
  const auto id = client.request({}, &body);
  talk();
  ours.discard_body(id);
  ours.respond(id, {}, 0);
  talk();
  EXPECT_EQ(client.answers[id].code, static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_TRUE(client.answers[id].closed);
}

TEST_F(Http2SessionTest, AnswersStopAtTheClientsWindow) {
  nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10};
  nghttp2_submit_settings(client.session, NGHTTP2_FLAG_NONE, &window, 1);
  const auto id = client.request();
  talk();
  ours.respond(id, {}, std::nullopt);
  const std::string text(100'000, 'x');
  ours.offer(id, as_bytes(text));
  // The client's library opens its window by itself; ours never has more than it may send.
  Bytes out;
  ours.next_output(out, 1 << 20);
  EXPECT_LT(out.size(), 200U);
  EXPECT_GE(ours.offered(id), 100'000U - 10U);
  ours.withdraw(id);
}

TEST_F(Http2SessionTest, HeadsThatAreNoRequestAreRefused) {
  const Fields good{
      {":method", "GET"}, {":scheme", "https"}, {":authority", "a.local"}, {":path", "/"}};
  const auto also = [&good](Fields more) {
    Fields all = good;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  std::size_t passed = 0;
  for (const Fields& fields :
       {also({{"transfer-encoding", "chunked"}}), also({{"connection", "close"}}),
        also({{"a", "b\r\nc: d"}}), also({{"a", std::string("b\0c", 3)}}),
        also({{"host", "b.local"}}), also({{"te", "gzip"}}), also({{"content-length", "x"}}),
        also({{"content-length", "1"}, {"content-length", "2"}}), also({{":path", "/b"}}),
        Fields{
            {":method", "GET"}, {":scheme", "https"}, {":authority", "a.local"}, {":path", "/a b"}},
        Fields{{":method", "CONNECT"}, {":authority", "a.local"}}}) {
    Http2Session session(limits);
    Client bad;
    const auto id = bad.raw_request(fields);
    const std::uint8_t* data = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(bad.session, &data)) > 0) {
      (void)session.receive(ByteSpan(data, static_cast<std::size_t>(size)));
    }
    for (const auto& event : session.take_events()) {
      if (event.kind == Kind::kRequest) {
        EXPECT_EQ(session.request(id).refused, 400) << fields.back().name;
        EXPECT_TRUE(session.request(id).head.method.empty());
        ++passed;
      }
    }
  }
  EXPECT_LT(passed, 13U);
}

TEST_F(Http2SessionTest, ALengthThatIsNotKeptEndsTheStream) {
  std::string body = "abc";
  const auto id = client.request({{"content-length", "2"}}, &body);
  EXPECT_EQ(count(talk(), Kind::kEnded), 1U);
  EXPECT_EQ(client.answers[id].code, static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
  std::string little = "END";
  const auto other = client.request({{"content-length", "2"}}, &little);
  talk();
  EXPECT_EQ(client.answers[other].code, static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

TEST_F(Http2SessionTest, Threat43LargeHeadsAreRefusedWithoutBeingKept) {
  const auto large = client.request({{"x", std::string(3000, 'a')}});
  Fields many;
  for (int i = 0; i < 30; ++i) {
    many.push_back({"x", "y"});
  }
  const auto fields = client.request(many);
  talk();
  EXPECT_EQ(ours.request(large).refused, 431);
  EXPECT_EQ(ours.request(fields).refused, 431);
}

TEST_F(Http2SessionTest, Threat43AHeadThatNeverEndsEndsTheConnection) {
  // HEADERS without END_HEADERS, then CONTINUATION for ever (CVE-2024-28182).
  raw(frame(1, 0, 1, "\x82"));
  EXPECT_TRUE(ours.in_head());
  bool good = true;
  int taken = 0;
  for (; taken < 100 && good; ++taken) {
    good = raw(frame(9, 0, 1, "\x86"));
  }
  EXPECT_LT(taken, 10);
}

TEST_F(Http2SessionTest, Threat43NoMoreStreamsThanSaid) {
  for (int i = 0; i < 10; ++i) {
    client.request();
  }
  EXPECT_LE(count(talk(), Kind::kRequest), limits.streams);
  EXPECT_LE(ours.streams(), limits.streams);
}

TEST_F(Http2SessionTest, Threat43RapidResetsStopAtTheLimitOfStreams) {
  // Each is reset at once by the client (CVE-2023-44487): whoever still serves one counts.
  std::size_t requests = 0;
  const std::string head(
      "\x82\x87\x84\x41\x07"
      "a.local",
      12);
  bool good = true;
  std::int32_t id = 1;
  for (; id < 400 && good; id += 2) {
    good = raw(frame(1, 5, id, head) + frame(3, 0, id, std::string_view("\0\0\0\x08", 4)));
    requests += count(ours.take_events(), Kind::kRequest);
    EXPECT_LE(ours.streams(), limits.streams);
  }
  EXPECT_EQ(requests, limits.streams);
  EXPECT_LT(id, 100) << "and then the connection ends";
}

TEST_F(Http2SessionTest, Threat43FramesThatMoveNothingEndTheConnection) {
  const std::string ping = frame(6, 0, 0, std::string_view("12345678"));
  const std::string settings = frame(4, 0, 0, "");
  for (const std::string& one : {ping, settings}) {
    Http2Session session(limits);
    (void)session.receive(as_bytes(std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")));
    (void)session.receive(as_bytes(settings));
    int taken = 0;
    Bytes out;
    for (; taken < 1000 && session.receive(as_bytes(one)) && session.alive(); ++taken) {
      out.clear();
      session.next_output(out, 1 << 20);
    }
    EXPECT_LT(taken, 200);
  }
}

TEST_F(Http2SessionTest, Threat43AcksThatNobodyReadsAreNotHoarded) {
  raw("");
  const std::string ping = frame(6, 0, 0, std::string_view("12345678"));
  for (int i = 0; i < 10'000 && ours.receive(as_bytes(ping)); ++i) {
  }
  Bytes out;
  ours.next_output(out, 1 << 20);
  EXPECT_LT(out.size(), 200 * ping.size());
}

TEST_F(Http2SessionTest, DrainingRefusesNewStreamsAndFinishesTheOthers) {
  const auto id = client.request();
  talk();
  ours.drain();
  talk();
  EXPECT_EQ(client.goaway, static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_TRUE(ours.alive());
  ours.respond(id, {}, 0);
  ours.release(id);
  talk();
  EXPECT_EQ(client.answers[id].fields[":status"], "200");
  EXPECT_EQ(client.answers[id].code, 0U);
  EXPECT_FALSE(ours.alive());
}

TEST_F(Http2SessionTest, OthersAreResetWithWhatEndsThem) {
  const auto one = client.request();
  const auto two = client.request();
  talk();
  ours.reset_others(two);
  ours.respond(two, {}, 0);
  talk();
  EXPECT_EQ(client.answers[one].code, static_cast<std::uint32_t>(NGHTTP2_CANCEL));
  EXPECT_EQ(client.answers[two].code, 0U);
}

TEST_F(Http2SessionTest, WhatIsNoHttp2Ends) {
  EXPECT_FALSE(ours.receive(as_bytes(std::string_view("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))));
}

}  // namespace
}  // namespace latchkey::net
