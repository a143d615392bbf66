// SPDX-License-Identifier: Apache-2.0
//
// Questions as values: the question that a relay gets for each call of Upstream, and the
// relay's answer, which comes back in the type that the caller expects.

#include "layby/cache/relay.h"

#include <vector>

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

// Records the questions, and puts each question to a fake upstream.
class PlainRelay final : public Relay {
 public:
  std::unique_ptr<BlobTransfer> get_blob(const std::string& repository, const oci::Digest& digest,
                                         const BlobSpan& span, BlobSink& sink) override {
    return inner.get_blob(repository, digest, span, sink);
  }
  Handle ping(milliseconds deadline, std::function<void(Status)> done) override {
    return inner.ping(deadline, std::move(done));
  }
  std::optional<policy::QuotaState> quota() const override { return inner.quota(); }
  void on_more_askers() override { inner.on_more_askers(); }
  std::vector<std::string> boxes() const override { return inner.boxes(); }
  std::optional<Error> why_not(Ask ask) override { return inner.why_not(ask); }
  Patience patience(Ask ask) const override { return inner.patience(ask); }

  testing::FakeUpstream inner;
  std::vector<Ask> asked;
  std::vector<milliseconds> deadlines;

 private:
  Handle relay(Question question, Done<Answer> done) override {
    asked.push_back(question.ask);
    deadlines.push_back(question.deadline);
    return question.put(inner, milliseconds(7), std::move(done));
  }
};

class RelayTest : public ::testing::Test {
 protected:
  // The request of the last question.
  testing::UpstreamRequest& request() { return *relay_.inner.only_pending(); }

  const oci::Digest digest_ = oci::Digest::of("some bytes");
  PlainRelay relay_;
};

TEST_F(RelayTest, HeadOfAManifestIsATagCheckWithADeadline) {
  Asker<ManifestHead> asker;
  asker.handle = relay_.head_manifest("library/debian", oci::Tag("sid"), seconds(2), asker.done());
  EXPECT_EQ(relay_.asked, std::vector<Ask>{Ask::kTagCheck});
  EXPECT_EQ(relay_.deadlines, std::vector<milliseconds>{seconds(2)});
  EXPECT_EQ(request().repository, "library/debian");
  EXPECT_EQ(request().reference, "sid");
  EXPECT_EQ(request().deadline, milliseconds(7)) << "the relay says how much time is left";
  request().answer_manifest_head(ManifestHead{digest_, "a type", 10});
  EXPECT_EQ(asker.value().digest, digest_);
}

TEST_F(RelayTest, GetOfAManifestCountsAsAPull) {
  Asker<ManifestBody> asker;
  asker.handle = relay_.get_manifest("library/debian", digest_, asker.done());
  EXPECT_EQ(relay_.asked, std::vector<Ask>{Ask::kManifest});
  EXPECT_EQ(relay_.deadlines, std::vector<milliseconds>{kNoDeadline});
  EXPECT_EQ(request().reference, digest_.str());
  request().answer_manifest(ManifestBody{"{}", "a type"});
  EXPECT_EQ(asker.value().bytes, "{}");
}

TEST_F(RelayTest, HeadOfABlobIsAskedLikeABlob) {
  Asker<BlobHead> asker;
  asker.handle = relay_.head_blob("library/debian", digest_, asker.done());
  EXPECT_EQ(relay_.asked, std::vector<Ask>{Ask::kBlob});
  request().answer_blob_head(BlobHead{3});
  EXPECT_EQ(asker.value().size_bytes, 3u);
}

TEST_F(RelayTest, TagsAndReferrersAreLists) {
  Asker<TagPage> tags;
  tags.handle = relay_.get_tags("library/debian", {5, "a"}, tags.done());
  EXPECT_EQ(request().page.last, "a");
  request().answer_tags(TagPage{{"b"}, true});
  Asker<std::string> referrers;
  referrers.handle = relay_.get_referrers("library/debian", digest_, "sbom", referrers.done());
  EXPECT_EQ(request().artifact_type, "sbom");
  request().answer_referrers(std::string("[]"));
  EXPECT_EQ(relay_.asked, (std::vector<Ask>{Ask::kList, Ask::kList}));
  EXPECT_TRUE(tags.value().more);
  EXPECT_EQ(referrers.value(), "[]");
}

TEST_F(RelayTest, ErrorComesBackAsItIs) {
  Asker<TagPage> asker;
  asker.handle = relay_.get_tags("library/debian", {}, asker.done());
  request().fail(ErrorCode::kDenied);
  EXPECT_EQ(asker.error(), ErrorCode::kDenied);
}

TEST_F(RelayTest, DroppedQuestionIsCancelled) {
  Asker<ManifestBody> asker;
  asker.handle = relay_.get_manifest("library/debian", digest_, asker.done());
  const auto request = relay_.inner.only_pending();
  asker.handle.reset();
  EXPECT_TRUE(request->cancelled());
}

}  // namespace
}  // namespace layby::cache
