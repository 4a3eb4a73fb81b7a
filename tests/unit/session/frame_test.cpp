#include "parley/session/frame.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "parley/protocol/ws.hpp"

namespace parley::session {
namespace {

TEST(Frame, HoldsACopyOfItsBytes) {
  std::string bytes = "what was said";
  const FramePtr frame = Frame::copy(bytes);
  bytes.assign(bytes.size(), 'x');
  EXPECT_EQ(frame->bytes(), "what was said");
  EXPECT_EQ(frame->size(), 13u);
  EXPECT_FALSE(frame->empty());
  EXPECT_TRUE(Frame::copy({})->empty());
}

TEST(Frame, LivesAsLongAsSomebodyHoldsIt) {
  FramePtr first = Frame::copy("still here");
  FramePtr second = first;
  EXPECT_EQ(first, second);
  first.reset();
  EXPECT_FALSE(first);
  EXPECT_EQ(second->bytes(), "still here");
  first = second;
  second = nullptr;
  EXPECT_EQ(first->bytes(), "still here");
  const FramePtr third = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(third->bytes(), "still here");
}

TEST(Frame, SharesLargeBytesWithTheirOwnerAndLetsThemGo) {
  auto file = std::make_shared<const std::string>(1 << 20, 'f');
  FramePtr frame = Frame::share(file);
  EXPECT_EQ(frame->data(), file->data()) << "not copied";
  EXPECT_EQ(file.use_count(), 2);
  FramePtr other = frame;
  frame.reset();
  EXPECT_EQ(file.use_count(), 2);
  other.reset();
  EXPECT_EQ(file.use_count(), 1);
}

TEST(Frame, IsHeldAndDroppedByManyThreads) {
  const auto file = std::make_shared<const std::string>("shared");
  {
    const FramePtr frame = Frame::share(file);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([frame] {
        for (int i = 0; i < 10'000; ++i) {
          const FramePtr mine = frame;
          ASSERT_EQ(mine->size(), 6u);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(file.use_count(), 1);
}

TEST(Frame, OfTextIsWhatTheCodecWrites) {
  for (std::size_t size : {0, 1, 125, 126, 65535, 65536, 100'000}) {
    const std::string json(size, 'j');
    std::string expected;
    protocol::ws::append_frame(expected, protocol::ws::Opcode::kText, json);
    EXPECT_EQ(make_text_frame(json)->bytes(), expected) << size;
    EXPECT_EQ(expected.size(), protocol::ws::header_size(size) + size);
  }
}

}  // namespace
}  // namespace parley::session
