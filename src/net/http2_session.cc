#include "net/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/result.h"
#include "wire/http2_head.h"

namespace latchkey::net {

namespace {

// Frames that may continue one head: with 16 KiB of head in frames of 16 KiB one is enough.
constexpr std::size_t kContinuations = 4;
// RST_STREAM from the client: so many at once, and so many a second (CVE-2023-44487).
constexpr std::uint64_t kResets = 200;
constexpr std::uint64_t kResetsPerSecond = 20;
// Answers to PING and SETTINGS that wait because the client does not read.
constexpr std::size_t kWaitingAcks = 100;
constexpr std::size_t kIdleFramesPerRequest = 20;

struct Stream {
  Http2Request request;
  std::vector<wire::HttpField> fields;  // until the head is whole
  std::size_t head_bytes = 0;
  bool announced = false;
  Bytes in;
  bool in_ended = false;
  bool discards = false;
  ByteSpan out;
  std::optional<std::uint64_t> left;  // of the answer's body
  bool out_ended = false;
  bool answered = false;
  bool ended = false;
  bool released = false;  // nobody serves it any more; it stays until it has ended
};

struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const {
    nghttp2_session_callbacks_del(callbacks);
  }
};
struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

}  // namespace

struct Http2Session::Machine {
  explicit Machine(const Http2Limits& given) : limits(given) {}

  Stream* find(std::int32_t id) {
    const auto at = streams.find(id);
    return at == streams.end() ? nullptr : &at->second;
  }
  const Stream& named(std::int32_t id) const {
    const auto at = streams.find(id);
    LATCHKEY_CHECK(at != streams.end());
    return at->second;
  }
  void tell(Http2Event::Kind kind, std::int32_t id) { events.push_back({kind, id}); }
  void give_back(std::int32_t id, std::size_t bytes) {
    if (bytes > 0) {
      (void)nghttp2_session_consume(session.get(), id, bytes);
    }
  }
  void reset(std::int32_t id, std::uint32_t code) {
    (void)nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, id, code);
  }
  void drain() {
    if (!draining) {
      draining = true;
      (void)nghttp2_submit_goaway(session.get(), NGHTTP2_FLAG_NONE,
                                  nghttp2_session_get_last_proc_stream_id(session.get()),
                                  NGHTTP2_NO_ERROR, nullptr, 0);
    }
  }
  // A client that costs more than it asks for.
  void judge(std::size_t count, std::size_t most) {
    if (count > 2 * most) {
      (void)nghttp2_session_terminate_session(session.get(), NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (count > most) {
      drain();
    }
  }

  void frame_begins(const nghttp2_frame_hd& head) {
    const bool empty = head.type == NGHTTP2_DATA && head.length == 0 &&
                       (head.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    if (head.type == NGHTTP2_PING || head.type == NGHTTP2_SETTINGS ||
        head.type == NGHTTP2_PRIORITY || empty) {
      ++idle_frames;
      judge(idle_frames, limits.idle_frames + kIdleFramesPerRequest * requests);
    }
  }
  int begin_headers(const nghttp2_frame& frame) {
    if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) {
      return 0;
    }
    if (draining || streams.size() >= limits.streams) {
      reset(frame.hd.stream_id, NGHTTP2_REFUSED_STREAM);
      ++bad_ends;
      judge(bad_ends, limits.bad_ends + good_ends);
      return 0;
    }
    streams.try_emplace(frame.hd.stream_id);
    heads.insert(frame.hd.stream_id);
    return 0;
  }
  void header(const nghttp2_frame& frame, std::string_view name, std::string_view value,
              bool valid) {
    Stream* stream = find(frame.hd.stream_id);
    if (stream == nullptr || stream->announced || frame.headers.cat != NGHTTP2_HCAT_REQUEST) {
      return;  // trailers are read and dropped
    }
    stream->head_bytes += name.size() + value.size();
    if (stream->head_bytes > limits.head || stream->fields.size() >= limits.fields) {
      stream->request.refused = 431;
      stream->fields.clear();
      stream->fields.shrink_to_fit();
    } else if (!valid) {
      stream->request.refused = 400;
    }
    if (stream->request.refused == 0) {
      stream->fields.push_back({std::string(name), std::string(value)});
    }
  }
  void head_is_whole(std::int32_t id, Stream& stream) {
    heads.erase(id);
    if (stream.request.refused == 0) {
      auto head = wire::request_from_http2(stream.fields);
      if (head) {
        stream.request.length = wire::promised_length(*head);
        stream.request.head = *std::move(head);
      } else {
        stream.request.refused = 400;
      }
    }
    stream.fields = {};
    stream.announced = true;
    stream.discards = stream.request.refused != 0;
    ++requests;
    tell(Http2Event::Kind::kRequest, id);
  }
  void frame_received(const nghttp2_frame& frame) {
    const std::uint8_t type = frame.hd.type;
    const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (type == NGHTTP2_SETTINGS) {
      greeted = true;
    }
    Stream* stream = find(frame.hd.stream_id);
    if (stream == nullptr || (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA)) {
      return;
    }
    if (type == NGHTTP2_HEADERS && !stream->announced) {
      head_is_whole(frame.hd.stream_id, *stream);
    }
    if (ends) {
      stream->in_ended = true;
      tell(Http2Event::Kind::kBody, frame.hd.stream_id);
    }
  }
  void data(std::int32_t id, ByteSpan bytes) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->discards || stream->ended) {
      give_back(id, bytes.size());
      return;
    }
    append(stream->in, bytes);
    tell(Http2Event::Kind::kBody, id);
  }
  void stream_closed(std::int32_t id, std::uint32_t code) {
    heads.erase(id);
    Stream* stream = find(id);
    const bool good = stream != nullptr && stream->answered && code == NGHTTP2_NO_ERROR;
    (good ? good_ends : bad_ends) += 1;
    judge(bad_ends, limits.bad_ends + good_ends);
    if (stream == nullptr) {
      return;
    }
    give_back(id, stream->in.size());
    stream->in = {};
    stream->out = {};
    stream->ended = true;
    if (!stream->announced || stream->released) {
      streams.erase(id);
      return;
    }
    tell(Http2Event::Kind::kEnded, id);
  }
  // RFC 9113 section 8.1: who does not want the rest of the body says so after the answer.
  void frame_sent(const nghttp2_frame& frame) {
    const Stream* stream = find(frame.hd.stream_id);
    if (stream != nullptr && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        (frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) && !stream->in_ended) {
      reset(frame.hd.stream_id, NGHTTP2_NO_ERROR);
    }
  }
  ssize_t read(std::int32_t id, std::span<std::uint8_t> into, std::uint32_t* flags) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->ended) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (stream->out.empty() && !stream->out_ended) {
      return NGHTTP2_ERR_DEFERRED;
    }
    const std::size_t size = std::min(into.size(), stream->out.size());
    std::copy_n(stream->out.begin(), size, into.begin());
    if (size > 0) {
      stream->out = stream->out.subspan(size);
      stream->left = stream->left ? std::optional(*stream->left - size) : stream->left;
      stream->out_ended = stream->out_ended || stream->left == 0U;
      if (stream->out.empty()) {
        tell(Http2Event::Kind::kWritable, id);
      }
    }
    if (stream->out.empty() && stream->out_ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream->answered = true;
    }
    return static_cast<ssize_t>(size);
  }

  Http2Limits limits;
  std::unique_ptr<nghttp2_session, SessionDeleter> session;
  std::map<std::int32_t, Stream> streams;
  std::set<std::int32_t> heads;  // that have begun
  std::vector<Http2Event> events;
  std::size_t requests = 0, good_ends = 0, bad_ends = 0, idle_frames = 0;
  bool draining = false;
  bool greeted = false;
};

namespace {

Http2Session::Machine& machine_of(void* user) {
  return *static_cast<Http2Session::Machine*>(user);
}

std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec vec = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(vec.base), vec.len};
}

using CallbacksPtr = std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter>;

CallbacksPtr make_callbacks() {
  nghttp2_session_callbacks* made = nullptr;
  LATCHKEY_CHECK(nghttp2_session_callbacks_new(&made) == 0);
  CallbacksPtr callbacks(made);
  nghttp2_session_callbacks_set_on_begin_frame_callback(
      made, [](nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
        machine_of(user).frame_begins(*head);
        return 0;
      });
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return machine_of(user).begin_headers(*frame);
      });
  nghttp2_session_callbacks_set_on_header_callback2(
      made, [](nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
               nghttp2_rcbuf* value, std::uint8_t, void* user) {
        machine_of(user).header(*frame, text_of(name), text_of(value), true);
        return 0;
      });
  // Without this, the library would drop such a field and let the request go on without it.
  nghttp2_session_callbacks_set_on_invalid_header_callback2(
      made, [](nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
               nghttp2_rcbuf* value, std::uint8_t, void* user) {
        machine_of(user).header(*frame, text_of(name), text_of(value), false);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        machine_of(user).frame_received(*frame);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        machine_of(user).frame_sent(*frame);
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      made, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
               std::size_t size, void* user) {
        machine_of(user).data(id, {data, size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      made, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
        machine_of(user).stream_closed(id, code);
        return 0;
      });
  return callbacks;
}

std::unique_ptr<nghttp2_option, OptionDeleter> make_options() {
  nghttp2_option* made = nullptr;
  LATCHKEY_CHECK(nghttp2_option_new(&made) == 0);
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_max_outbound_ack(made, kWaitingAcks);
  nghttp2_option_set_stream_reset_rate_limit(made, kResets, kResetsPerSecond);
  nghttp2_option_set_max_continuations(made, kContinuations);
  nghttp2_option_set_no_closed_streams(made, 1);
  return std::unique_ptr<nghttp2_option, OptionDeleter>(made);
}

std::vector<nghttp2_nv> as_pairs(const std::vector<wire::HttpField>& fields) {
  std::vector<nghttp2_nv> pairs;
  for (const wire::HttpField& field : fields) {
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    // What a session or a person is known by stays out of the compression's memory.
    const bool secret = field.name == "set-cookie";
    pairs.push_back(
        {bytes(field.name), bytes(field.value), field.name.size(), field.value.size(),
         static_cast<std::uint8_t>(secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  }
  return pairs;
}

}  // namespace

Http2Session::Http2Session(const Http2Limits& limits)
    : machine_(std::make_unique<Machine>(limits)) {
  static const CallbacksPtr callbacks = make_callbacks();
  static const auto options = make_options();
  nghttp2_session* made = nullptr;
  LATCHKEY_CHECK(
      nghttp2_session_server_new2(&made, callbacks.get(), machine_.get(), options.get()) == 0);
  machine_->session.reset(made);
  const auto number = [](std::size_t value) { return static_cast<std::uint32_t>(value); };
  const std::array<nghttp2_settings_entry, 5> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, number(limits.streams)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, number(limits.body)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, number(limits.head)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
  }};
  LATCHKEY_CHECK(
      nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
  LATCHKEY_CHECK(nghttp2_session_set_local_window_size(
                     made, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.bodies)) == 0);
}

Http2Session::~Http2Session() = default;

bool Http2Session::receive(ByteSpan bytes) {
  const ssize_t used =
      nghttp2_session_mem_recv(machine_->session.get(), bytes.data(), bytes.size());
  return used >= 0;
}

std::vector<Http2Event> Http2Session::take_events() {
  return std::exchange(machine_->events, {});
}

void Http2Session::next_output(Bytes& out, std::size_t most) {
  while (out.size() < most) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(machine_->session.get(), &data);
    if (size <= 0) {
      return;
    }
    append(out, ByteSpan(data, static_cast<std::size_t>(size)));
  }
}

bool Http2Session::alive() const {
  return nghttp2_session_want_read(machine_->session.get()) != 0 ||
         nghttp2_session_want_write(machine_->session.get()) != 0;
}
bool Http2Session::greeted() const {
  return machine_->greeted;
}
bool Http2Session::in_head() const {
  return !machine_->heads.empty();
}
std::size_t Http2Session::streams() const {
  return machine_->streams.size();
}

void Http2Session::drain() {
  machine_->drain();
}

void Http2Session::reset_others(std::int32_t stream) {
  for (const auto& [id, state] : machine_->streams) {
    if (id != stream && !state.ended) {
      machine_->reset(id, NGHTTP2_CANCEL);
    }
  }
}

const Http2Request& Http2Session::request(std::int32_t stream) const {
  return machine_->named(stream).request;
}

Bytes Http2Session::take_body(std::int32_t stream) {
  Stream* state = machine_->find(stream);
  return state == nullptr ? Bytes{} : std::exchange(state->in, {});
}

void Http2Session::consume(std::int32_t stream, std::size_t bytes) {
  machine_->give_back(stream, bytes);
}

void Http2Session::discard_body(std::int32_t stream) {
  Stream* state = machine_->find(stream);
  if (state != nullptr) {
    state->discards = true;
    machine_->give_back(stream, std::exchange(state->in, {}).size());
  }
}

bool Http2Session::body_done(std::int32_t stream) const {
  const Stream& state = machine_->named(stream);
  return state.in_ended && state.in.empty();
}
std::size_t Http2Session::body_waiting(std::int32_t stream) const {
  return machine_->named(stream).in.size();
}
bool Http2Session::body_ended(std::int32_t stream) const {
  return machine_->named(stream).in_ended;
}

void Http2Session::send_continue(std::int32_t stream) {
  const std::vector<wire::HttpField> fields{{":status", "100"}};
  const auto pairs = as_pairs(fields);
  (void)nghttp2_submit_headers(machine_->session.get(), NGHTTP2_FLAG_NONE, stream, nullptr,
                               pairs.data(), pairs.size(), nullptr);
}

void Http2Session::respond(std::int32_t stream, const wire::HttpResponseHead& head,
                           std::optional<std::uint64_t> length) {
  Stream* state = machine_->find(stream);
  if (state == nullptr || state->ended) {
    return;
  }
  state->left = length;
  state->out_ended = length == 0U;
  state->answered = state->out_ended;
  const auto fields = wire::response_to_http2(head);
  const auto pairs = as_pairs(fields);
  nghttp2_data_provider provider{};
  provider.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                              std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                              void* user) {
    return machine_of(user).read(id, {buffer, size}, flags);
  };
  if (nghttp2_submit_response(machine_->session.get(), stream, pairs.data(), pairs.size(),
                              state->out_ended ? nullptr : &provider) != 0) {
    machine_->reset(stream, NGHTTP2_INTERNAL_ERROR);
  }
}

void Http2Session::offer(std::int32_t stream, ByteSpan bytes) {
  Stream* state = machine_->find(stream);
  if (state != nullptr && !state->ended) {
    LATCHKEY_CHECK(state->out.empty() && (!state->left || bytes.size() <= *state->left));
    state->out = bytes;
    (void)nghttp2_session_resume_data(machine_->session.get(), stream);
  }
}

std::size_t Http2Session::offered(std::int32_t stream) const {
  return machine_->named(stream).out.size();
}

void Http2Session::withdraw(std::int32_t stream) {
  Stream* state = machine_->find(stream);
  if (state != nullptr) {
    state->out = {};
  }
}

void Http2Session::end_body(std::int32_t stream) {
  Stream* state = machine_->find(stream);
  if (state != nullptr && !state->ended) {
    state->out_ended = true;
    (void)nghttp2_session_resume_data(machine_->session.get(), stream);
  }
}

void Http2Session::reset(std::int32_t stream, Http2Reason reason) {
  const Stream* state = machine_->find(stream);
  if (state != nullptr && !state->ended) {
    machine_->reset(stream, static_cast<std::uint32_t>(reason));
  }
}

bool Http2Session::ended(std::int32_t stream) const {
  return machine_->named(stream).ended;
}
bool Http2Session::answered(std::int32_t stream) const {
  return machine_->named(stream).answered;
}

void Http2Session::release(std::int32_t stream) {
  Stream* state = machine_->find(stream);
  LATCHKEY_CHECK(state != nullptr && state->announced && !state->released);
  if (state->ended) {
    machine_->streams.erase(stream);
    return;
  }
  if (!state->answered && !(state->out_ended && state->out.empty())) {
    machine_->reset(stream, NGHTTP2_INTERNAL_ERROR);
  }
  state->released = true;
  discard_body(stream);
}

}  // namespace latchkey::net
