// Tensors and Eigen, both ways: the features of a model are analyzed with Eigen, and what Eigen computed
// becomes a layer of the model:   eigen_interop
#include <Eigen/Eigenvalues>
#include <cstdio>
#include <minivit/tensor/eigen.hpp>
#include <minivit/vit.hpp>

using namespace minivit;

int main() {
  // Features of 64 images of noise, (64, 32): a matrix with a row for each image.
  manual_seed(0);
  const VisionTransformer model({.image_height = 16,
                                 .image_width = 16,
                                 .patch_size = 8,
                                 .num_classes = 10,
                                 .embedding_dim = 32,
                                 .num_layers = 2,
                                 .num_heads = 2,
                                 .mlp_ratio = 2});
  Tensor images = Tensor::empty({64, 3, 16, 16});
  Rng rng(1);
  for (float& v : images.values()) v = rng.normal();
  const NoGrad values_only;
  const Tensor features = model.features(images).value();

  // A tensor as an Eigen matrix: no copy, rows are the last axis.
  const auto X = as_matrix(features);
  const Eigen::RowVectorXf mean = X.colwise().mean();
  const Eigen::MatrixXf centered = X.rowwise() - mean;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(centered.transpose() * centered / 63.0f);
  const float total = solver.eigenvalues().sum();
  std::printf("the first of 32 principal components has %.1f %% of the variance\n",
              100 * solver.eigenvalues()(31) / total);

  // An Eigen expression as a tensor: the four strongest components as the weight of a layer, y = (x - mean)
  // Wᵀ.
  Linear project(32, 4);
  as_matrix(project.weight.value) = solver.eigenvectors().rightCols(4).transpose();
  as_matrix(project.bias.value) = -(mean * solver.eigenvectors().rightCols(4));
  const Tensor projected = project(features).value();

  // Both ways of computing it agree.
  const Eigen::MatrixXf expected = centered * solver.eigenvectors().rightCols(4);
  const float difference = (as_matrix(projected) - expected).cwiseAbs().maxCoeff();
  std::printf("the layer and Eigen differ by at most %.1e\n", static_cast<double>(difference));
  return difference < 1e-4f ? 0 : 1;
}
