"""Steps of pipelines over tables, and the wrapper that keeps pipelines as folders."""
